//! `cargo xtask test`

use std::env;
use std::ffi::OsString;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use nix::sys::signal::Signal;

use crate::kernel_build::{self, ARTIFACTS_VARIABLE, Talk};
use crate::process::{Guarded, INTERRUPTED_EXIT, interrupted};
use crate::setup::{self, Component, set_up};
use crate::workspace;

/// The flags of `cargo xtask test`.
#[derive(Debug, Args)]
pub struct TestArguments {
    /// Run only the tests whose names contain this
    filter: Option<String>,
}

/// Runs the tests that need no machine, the models of concurrent structures, then the tests that boot a machine. Cargo's own
/// lines are what is shown.
pub(super) fn test(arguments: TestArguments) -> Result<()> {
    let filter = arguments.filter.as_deref();
    set_up(&Component::BASE, setup::Talk::Changes)?;
    eprintln!("test: on the host");
    let host = run(cargo_test(&["--no-fail-fast"], filter))?;
    let models = run_models(filter)?;
    eprintln!("test: in QEMU");
    // Built once, before the tests: they run side by side and would wait for each other's build.
    let artifacts = kernel_build::build(Talk::Progress)?;
    let file = tempfile::NamedTempFile::new().context("cannot make a file")?;
    kernel_build::write_artifacts(&artifacts, file.path())?;
    let mut booting = cargo_test(&["--package", "integration-tests", "--no-fail-fast"], filter);
    booting.env(ARTIFACTS_VARIABLE, file.path());
    let booted = run(booting)?;
    for (name, status) in [("on the host", host), ("in the models", models), ("in QEMU", booted)] {
        if !status.success() {
            bail!("tests failed {name} ({status})");
        }
    }
    Ok(())
}

fn cargo_test(options: &[&str], filter: Option<&str>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(workspace::root()).arg("test").args(options).stdin(Stdio::null());
    if let Some(filter) = filter {
        command.arg("--").arg(filter);
    }
    command
}

/// What the names of the models have in them.
const MODELS: &str = "loom";

/// Runs them, unless other tests were asked for; answers whether they pass. They are built by themselves, since the structures
/// take loom's atomics for the processor's there, and with optimisation, since they try many thousand orders.
fn run_models(filter: Option<&str>) -> Result<ExitStatus> {
    let filter = filter.unwrap_or(MODELS);
    if !filter.contains(MODELS) {
        return Ok(ExitStatus::default());
    }
    eprintln!("test: every order of what concurrent structures do");
    let folder = workspace::target().join("loom");
    let folder = folder.to_string_lossy();
    let options =
        ["--release", "--package=smp", "--package=kernel", "--lib", "--no-fail-fast", "--target-dir", &folder];
    let mut command = cargo_test(&options, Some(filter));
    command.env("RUSTFLAGS", "--cfg loom");
    run(command)
}

fn run(mut command: Command) -> Result<ExitStatus> {
    let mut cargo = Guarded::spawn(&mut command, Signal::SIGTERM)?;
    let status = cargo.wait(None)?.context("cargo did not end")?;
    if interrupted() {
        std::process::exit(INTERRUPTED_EXIT);
    }
    Ok(status)
}
