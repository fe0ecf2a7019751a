//! `cargo xtask bench`

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};
use clap::Args;

use crate::testing::cargo_here;
use crate::workspace;

/// The package of the benchmarks. What it draws and compares with is built when it is asked for, and not before each boot.
const PACKAGE: &str = "ci-bench";

/// All that follows `bench` on the command line.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct BenchArguments {
    /// The flags of the benchmarks: `cargo xtask bench --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    flags: Vec<OsString>,
}

/// Builds the benchmarks and becomes them: cargo takes this process's place and they take cargo's, so that what they print, their
/// exit status, and the signals sent to this process are theirs.
pub(super) fn bench(arguments: BenchArguments) -> Result<()> {
    let mut command = cargo_here(&["run", "--package", PACKAGE, "--manifest-path"]);
    command.arg(workspace::root().join("Cargo.toml")).arg("--").args(arguments.flags);
    Err(command.exec()).context("cannot start cargo")
}
