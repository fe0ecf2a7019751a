//! The table by which the kernel names its own functions in a backtrace.
//!
//! The host tool makes it from the linked kernel ([`build`]) and puts it into space that the kernel's image keeps for it; the
//! kernel looks addresses up ([`SymbolTable`]). Both are here so that one test covers the way there and back.
//!
//! ```text
//! 0   magic, 8 bytes         8   lowest address, u64
//! 16  number of symbols, u32  20  bytes of names, u32
//! 24  symbols by rising address: offset from the lowest address, size, start of the name; u32 each
//! …   names, UTF-8, each ending where the next begins
//! ```
//!
//! Numbers are little-endian.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod build;
mod table;

pub use build::{Symbol, build};
pub use table::{Found, SymbolTable};

/// How a table begins.
const MAGIC: [u8; 8] = *b"GHSYMS01";
/// Bytes before the symbols.
const HEADER_BYTES: usize = 24;
/// Bytes of one symbol.
const ENTRY_BYTES: usize = 12;
