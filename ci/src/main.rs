//! The host tool: `cargo xtask …`.

use std::process::ExitCode;

use ci::command::Arguments;
use clap::Parser;

fn main() -> ExitCode {
    match Arguments::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
