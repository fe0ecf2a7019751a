//! The tool's command line.

use anyhow::Result;
use clap::Parser;

use super::{bench, build, check, gdb, iso, run, setup, test};

/// The tool's command line.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Sets up, builds, boots and tests Gatehouse")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub subcommand: Subcommand,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Install what is missing to build and boot; asks for nothing, and changes nothing when all is there
    Setup,
    /// Build the kernel and the ring-3 programs
    Build(build::BuildArguments),
    /// Boot the kernel in QEMU and show what it prints; exit status 0 only on pass
    Run(Box<run::RunArguments>),
    /// Run all tests, those that boot QEMU included
    Test(test::TestArguments),
    /// Count the guest instructions of the kernel's operations, and check them against their budgets
    Bench(bench::BenchArguments),
    /// Check format, lints and the house rules
    Check,
    /// Make a CD image that boots by Limine, on BIOS and UEFI
    Iso(iso::IsoArguments),
    /// Boot in QEMU under gdb, stopped before the first instruction
    Gdb(Box<gdb::GdbArguments>),
}

impl Arguments {
    /// Does it.
    ///
    /// # Errors
    /// Whatever went wrong, in words for the person who called.
    pub fn execute(self) -> Result<()> {
        match self.subcommand {
            Subcommand::Setup => setup::setup(),
            Subcommand::Build(arguments) => build::build(arguments),
            Subcommand::Run(arguments) => run::run(*arguments),
            Subcommand::Test(arguments) => test::test(arguments),
            Subcommand::Bench(arguments) => bench::bench(arguments),
            Subcommand::Check => check::check(),
            Subcommand::Iso(arguments) => iso::iso(arguments),
            Subcommand::Gdb(arguments) => gdb::gdb(*arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
