//! `cargo xtask check`

use std::env;
use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::kernel_build::{self, Profile, Talk};
use crate::policy;
use crate::process::Guarded;
use crate::toolchain::Toolchain;
use crate::workspace;

/// A check by its name; it gives what is wrong, in lines.
type Check = (&'static str, fn() -> Result<Vec<String>>);

const CHECKS: [Check; 5] =
    [("format", format), ("lints", lints), ("house rules", house_rules), ("floors", floors), ("kernel", kernel)];

/// Runs every check, whatever the others say.
pub(super) fn check() -> Result<()> {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        eprintln!("check: {name}");
        match check() {
            Ok(lines) if lines.is_empty() => {}
            Ok(lines) => {
                lines.iter().for_each(|line| println!("{line}"));
                failed.push(name);
            }
            Err(error) => {
                println!("{name}: {error:#}");
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("check failed: {}", failed.join(", "));
    }
    println!("check: all well");
    Ok(())
}

fn format() -> Result<Vec<String>> {
    cargo("rustfmt", &["fmt", "--all", "--", "--check"])
}

fn lints() -> Result<Vec<String>> {
    cargo("clippy", &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn house_rules() -> Result<Vec<String>> {
    Ok(policy::check_tree(workspace::root())?.iter().map(ToString::to_string).collect())
}

/// Tells in any case what the house is like.
fn floors() -> Result<Vec<String>> {
    let (findings, line) = policy::check_floors(workspace::root())?;
    eprintln!("check: floors: {line}");
    Ok(findings.iter().map(ToString::to_string).collect())
}

/// Code for the kernel's target alone is seen by no host lint: its compiler's warnings count here.
fn kernel() -> Result<Vec<String>> {
    if Toolchain::find().is_none() {
        eprintln!("check: the kernel is not looked at: no compiler for its target (`cargo xtask setup` installs one)");
        return Ok(Vec::new());
    }
    let build = kernel_build::build_with_warnings(Profile::Release, Talk::Quiet)?;
    let mut lines = build.warnings;
    lines.extend(policy::check_kernel(&build.artifacts.kernel)?);
    Ok(lines)
}

fn cargo(component: &str, arguments: &[&str]) -> Result<Vec<String>> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(workspace::root()).args(arguments).stdin(Stdio::null());
    let mut cargo = Guarded::spawn(&mut command, Signal::SIGTERM)?;
    let status = cargo.wait(None)?.context("cargo did not end")?;
    let failed =
        format!("{component} is not content ({status}; where it is missing: rustup component add {component})");
    Ok(if status.success() { Vec::new() } else { vec![failed] })
}
