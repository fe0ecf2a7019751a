//! A row of the table.

use gatehouse_abi::TrapNumber;

/// Where a trap came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    User,
    Kernel,
}

/// What raised it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// An instruction or an interrupt, as on any machine.
    Processor,
    /// The kernel entered the stub as the processor would have: no instruction raises this here.
    Stub,
    /// Nothing: where an instruction would have trapped, the kernel found the same in the page table.
    Copy,
}

/// What one test shows.
#[derive(Clone, Debug)]
pub struct Row {
    /// The program, and what it was given.
    pub test: String,
    /// What it did.
    pub trap: String,
    pub space: Space,
    pub raised: Raised,
    /// The processor's vector; `None` for what is no exception.
    pub vector: Option<u8>,
    /// Of the trap; `None` where the kernel tells none.
    pub number: Option<TrapNumber>,
    pub expected: String,
    pub seen: String,
}

/// A trap in words: number, vector, error code, and the address if it is about one.
pub fn in_words(number: TrapNumber, vector: u64, error_code: u64, address: &str) -> String {
    let at = if number.concerns_address() { format!(", address {address}") } else { String::new() };
    format!("{} {number}, vector {vector}, error code {error_code:#x}{at}", number.cause())
}
