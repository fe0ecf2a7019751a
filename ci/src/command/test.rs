//! `cargo xtask test`

use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::kernel_build::{self, ARTIFACTS_VARIABLE, Artifacts, Profile, Talk};
use crate::setup::{self, Component, set_up};
use crate::testing::{self, End, Executable, Tally, Targets};
use crate::workspace;

/// The flags of `cargo xtask test`.
#[derive(Debug, Args)]
pub struct TestArguments {
    /// Run only the tests whose names contain this
    filter: Option<String>,
}

/// The package whose tests boot machines.
const BOOTING: &str = "tests: ";

/// What the names of the models have in them.
const MODELS: &str = "loom";

/// Runs the tests that need no machine, the models of concurrent structures, then the tests that boot a machine. The kernel is
/// built beside the first, and once for all: each build has a long stretch on one processor.
pub(super) fn test(arguments: TestArguments) -> Result<()> {
    let start = Instant::now();
    let filter = arguments.filter.as_deref();
    set_up(&Component::BASE, setup::Talk::Changes)?;
    let (tally, artifacts, booting) = thread::scope(|scope| -> Result<_> {
        let beside = scope.spawn(|| -> Result<_> {
            let artifacts = kernel_build::build(Profile::Release, Talk::Quiet)?;
            Ok((artifacts, build_models(filter)?))
        });
        let (mut tally, booting) = on_the_host(filter)?;
        let (artifacts, models) = beside.join().map_err(|_| anyhow::anyhow!("the kernel's build has panicked"))??;
        for executable in models {
            tally.add(run(&executable.name, executable.command(), Some(filter.unwrap_or(MODELS)))?);
        }
        Ok((tally, artifacts, booting))
    })?;
    let mut tally = tally;
    tally.add(boots(booting, &artifacts, filter)?);
    conclude(&tally, filter, start.elapsed())
}

/// Runs what needs no machine; answers also the executables that do.
fn on_the_host(filter: Option<&str>) -> Result<(Tally, Vec<Executable>)> {
    eprintln!("test: building the tests, and beside them the kernel and the models");
    let targets = Targets::find(workspace::root())?;
    let mut options = vec!["--workspace", "--lib", "--test=*"];
    targets.binaries.iter().for_each(|binary| options.extend(["--bin", binary]));
    let (booting, host): (Vec<_>, Vec<_>) =
        testing::build(&options, &[])?.into_iter().partition(|executable| executable.name.starts_with(BOOTING));
    let mut tally = Tally::default();
    for executable in host {
        tally.add(run(&executable.name, executable.command(), filter)?);
    }
    let mut examples = testing::cargo(&["test", "--quiet", "--doc", "--no-fail-fast"]);
    examples.args(targets.documented.iter().flat_map(|package| ["--package", package]));
    if let Some(filter) = filter {
        examples.args(["--", filter, "--format=pretty"]);
    } else {
        examples.args(["--", "--format=pretty"]);
    }
    tally.add(run("examples in the documentation", examples, None)?);
    Ok((tally, booting))
}

/// Builds the models, unless other tests were asked for. They are built by themselves, since the structures take loom's atomics
/// for the processor's there, and with optimisation, since they try many thousand orders.
fn build_models(filter: Option<&str>) -> Result<Vec<Executable>> {
    if !filter.unwrap_or(MODELS).contains(MODELS) {
        return Ok(Vec::new());
    }
    let folder = workspace::target().join(MODELS);
    let folder = folder.to_string_lossy();
    let options = [
        "--release",
        "--quiet",
        "--package=gatehouse-smp",
        "--package=gatehouse-core",
        "--package=kernel",
        "--lib",
        "--target-dir",
        &folder,
    ];
    testing::build(&options, &[("RUSTFLAGS", "--cfg loom")])
}

/// Runs the executables that boot machines, all at once: their boots take turns.
fn boots(executables: Vec<Executable>, artifacts: &Artifacts, filter: Option<&str>) -> Result<Tally> {
    eprintln!("test: in QEMU");
    // Built once, before the tests, which would wait for each other's build.
    let file = tempfile::NamedTempFile::new().context("cannot make a file")?;
    kernel_build::write_artifacts(artifacts, file.path())?;
    let total = Mutex::new(Tally::default());
    thread::scope(|scope| {
        let running: Vec<_> = executables
            .iter()
            .map(|executable| {
                let mut command = executable.command();
                command.env(ARTIFACTS_VARIABLE, file.path());
                let total = &total;
                scope.spawn(move || -> Result<()> {
                    let tally = run(&executable.name, command, filter)?;
                    total.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(tally);
                    Ok(())
                })
            })
            .collect();
        running
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("a runner has panicked"))?)
    })?;
    Ok(total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Runs an executable, with a line for what failed or took long, and one for the whole.
fn run(name: &str, command: Command, filter: Option<&str>) -> Result<Tally> {
    let start = Instant::now();
    let tally = testing::run(name, command, filter, &|test, end| {
        if end == End::Failed {
            println!("FAILED   {name}: {test}");
        } else if name.starts_with(BOOTING) {
            println!("{:>6.1} s {name}: {test}", start.elapsed().as_secs_f64());
        }
    })?;
    if tally.all() > 0 {
        println!("{:>6.1} s {name}: {tally}", start.elapsed().as_secs_f64());
    }
    Ok(tally)
}

/// The last lines; an error when a test failed, or none was run.
fn conclude(tally: &Tally, filter: Option<&str>, time: Duration) -> Result<()> {
    tally.failed.iter().for_each(|name| println!("FAILED   {name}"));
    println!("{tally}");
    println!("in {} min {} s", time.as_secs() / 60, time.as_secs() % 60);
    if !tally.failed.is_empty() {
        bail!("{} tests failed", tally.failed.len());
    }
    if let (0, Some(filter)) = (tally.all(), filter) {
        bail!("no test has {filter} in its name");
    }
    Ok(())
}
