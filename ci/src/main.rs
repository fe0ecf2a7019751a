//! The host tool: `cargo xtask …`.

use std::process::ExitCode;

use ci::command::Arguments;
use ci::process::{INTERRUPTED_EXIT, interrupted};
use ci::workspace;
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match workspace::find().and_then(|_| arguments.execute()) {
        Ok(()) => ExitCode::SUCCESS,
        // What was going on failed because its children were ended.
        Err(_) if interrupted() => ExitCode::from(INTERRUPTED_EXIT as u8),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
