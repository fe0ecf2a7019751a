//! The host tool: `cargo xtask …`.

use std::process::ExitCode;

use ci::command::Arguments;
use ci::process::end_with;
use ci::workspace;
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    end_with(workspace::find().and_then(|_| arguments.execute()))
}
