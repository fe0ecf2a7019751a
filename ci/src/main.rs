//! The host tool: `cargo xtask …`.

use std::process::ExitCode;

use ci::command::Arguments;
use ci::workspace;
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match workspace::find().and_then(|_| arguments.execute()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
