//! Benchmarks: guest instructions under an instruction count, checked against budgets; paths instruction by instruction.
//!
//! ```text
//! machine ─> QEMU -icount ─> records of the program `bench` ─> measurement ┐
//! machine ─> QEMU -icount, stepped through its debugger ─> trace ─> path ──┴─> budgets, table, document, report
//! ```

pub mod debugger;
pub mod instruction;
pub mod listing;
pub mod path;
pub mod recorder;
pub mod registers;
pub mod symbols;
pub mod trace;
