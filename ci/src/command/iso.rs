//! `cargo xtask iso`

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::kernel_build::{self, Profile, Talk};
use crate::machine::Machine;
use crate::setup::{self, Component, set_up};
use crate::{archive, iso, workspace};

/// The flags of `cargo xtask iso`.
#[derive(Debug, Args)]
pub struct IsoArguments {
    /// The image to make [default: gatehouse.iso in the target folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Add an ELF file to the boot archive and start it in ring 3 (repeatable)
    #[arg(long, value_name = "FILE.elf")]
    program: Vec<PathBuf>,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true, hide_default_value = true)]
    cmdline: String,
}

pub(super) fn iso(arguments: IsoArguments) -> Result<()> {
    let out = arguments.out.unwrap_or_else(|| workspace::target().join("gatehouse.iso"));
    if out.is_dir() {
        bail!("--out {}: that is a folder, give a file", out.display());
    }
    if let Some(folder) = out.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        bail!("--out {}: the folder {} is not there", out.display(), folder.display());
    }
    // The same settings as for a machine that is booted.
    let machine = arguments.program.iter().fold(Machine::new(), |machine, program| machine.program(program));
    machine.command_line(&arguments.cmdline).check()?;
    let components = [Component::Compiler, Component::Linker, Component::ImageMaker];
    set_up(&components, setup::Talk::Changes)?;
    let artifacts = kernel_build::build(Profile::Release, Talk::Progress)?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let programs = folder.path().join("programs.tar");
    fs::write(&programs, archive::build(&artifacts.programs, &arguments.program)?)?;
    iso::build(&artifacts.kernel, &programs, &arguments.cmdline, &out)?;
    println!("{}", out.display());
    Ok(())
}
