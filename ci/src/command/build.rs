//! `cargo xtask build`

use anyhow::Result;
use clap::Args;

use crate::kernel_build::{self, Profile, Talk};

/// The flags of `cargo xtask build`.
#[derive(Debug, Args)]
pub struct BuildArguments {
    /// Build the kernel that is tested, measured and shipped: smaller, and compiled as a whole
    #[arg(long)]
    release: bool,
}

pub(super) fn build(arguments: BuildArguments) -> Result<()> {
    let artifacts = kernel_build::build(Profile::chosen(arguments.release), Talk::Progress)?;
    println!("kernel   {}", artifacts.kernel.display());
    for program in &artifacts.programs {
        println!("program  {}", program.display());
    }
    Ok(())
}
