//! `cargo xtask build`

use anyhow::Result;

use crate::kernel_build::{self, Talk};

pub(super) fn build() -> Result<()> {
    let artifacts = kernel_build::build(Talk::Progress)?;
    println!("kernel   {}", artifacts.kernel.display());
    for program in &artifacts.programs {
        println!("program  {}", program.display());
    }
    Ok(())
}
