//! `cargo xtask test`

use std::env;
use std::ffi::OsString;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use nix::sys::signal::Signal;

use crate::kernel_build::{self, ARTIFACTS_VARIABLE, Talk};
use crate::process::{Guarded, INTERRUPTED_EXIT, interrupted};
use crate::setup::{self, Component, Host, set_up};
use crate::workspace;

/// The flags of `cargo xtask test`.
#[derive(Debug, Args)]
pub struct TestArguments {
    /// Run only the tests whose names contain this
    filter: Option<String>,
}

/// Runs the tests that need no machine, then those that boot one. Cargo's own lines are what is shown.
pub(super) fn test(arguments: TestArguments) -> Result<()> {
    let filter = arguments.filter.as_deref();
    set_up(&mut Host, &Component::BASE, setup::Talk::Changes)?;
    eprintln!("test: on the host");
    let host = run(cargo_test(&["--no-fail-fast"], filter))?;
    eprintln!("test: in QEMU");
    // Built once, before the tests: they run side by side and would wait for each other's build.
    let artifacts = kernel_build::build(Talk::Progress)?;
    let file = tempfile::NamedTempFile::new().context("cannot make a file")?;
    kernel_build::write_artifacts(&artifacts, file.path())?;
    let mut booting = cargo_test(&["--package", "integration-tests", "--no-fail-fast"], filter);
    booting.env(ARTIFACTS_VARIABLE, file.path());
    let booted = run(booting)?;
    for (name, status) in [("on the host", host), ("in QEMU", booted)] {
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

fn run(mut command: Command) -> Result<ExitStatus> {
    let mut cargo = Guarded::spawn(&mut command, Signal::SIGTERM)?;
    let status = cargo.wait(None)?.context("cargo did not end")?;
    if interrupted() {
        std::process::exit(INTERRUPTED_EXIT);
    }
    Ok(status)
}
