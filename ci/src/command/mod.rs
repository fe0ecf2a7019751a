//! The subcommands, one a file.

mod arguments;
mod bench;
mod build;
mod check;
mod gdb;
mod iso;
mod machine_arguments;
mod run;
mod setup;
mod test;

pub use arguments::{Arguments, Subcommand};
pub use machine_arguments::MachineArguments;
