//! `cargo xtask bench`: guest instructions under an instruction count, checked against budgets; paths instruction by instruction.
//!
//! ```text
//! machine ─> QEMU -icount ─> records of the program `bench` ─> measurement ┐
//! machine ─> QEMU -icount, stepped through its debugger ─> trace ─> path ──┴─> check, table, document
//! ```

pub mod budgets;
pub mod catalogue;
pub mod check;
pub mod command;
pub mod debugged;
pub mod debugger;
pub mod deterministic;
pub mod document;
pub mod golden;
pub mod instruction;
pub mod listing;
pub mod load;
pub mod measurement;
pub mod path;
pub mod peers;
pub mod recorder;
pub mod registers;
pub mod report;
pub mod sharing;
pub mod symbols;
pub mod table;
pub mod trace;
