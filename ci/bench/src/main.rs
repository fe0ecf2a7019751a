//! The benchmarks: `cargo xtask bench …`.

use std::process::ExitCode;

use ci::process::end_with;
use ci::workspace;
use ci_bench::command::{Arguments, bench};
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    end_with(workspace::find().and_then(|_| bench(arguments)))
}
