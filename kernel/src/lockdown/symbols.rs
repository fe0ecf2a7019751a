//! The names of the kernel's functions: a table that the host tool puts into the linked image.

use gatehouse_symbols::Found;

/// Bytes that the image keeps for the table. The host tool says when they do not suffice.
#[cfg(target_os = "none")]
const SYMBOL_BYTES: usize = 256 * 1024;

#[cfg(target_os = "none")]
core::arch::global_asm!(
    ".pushsection .symbols, \"a\", @progbits",
    ".balign 8",
    ".global symbol_space",
    "symbol_space:",
    ".skip {bytes}",
    ".popsection",
    bytes = const SYMBOL_BYTES,
);

/// The function in which an address lies. `None` between functions, and when nobody has put a table there.
#[cfg(target_os = "none")]
#[must_use]
pub fn find(address: u64) -> Option<Found<'static>> {
    unsafe extern "C" {
        // Defined above; read-only, and filled in after the compiler has seen it.
        safe static symbol_space: [u8; SYMBOL_BYTES];
    }
    gatehouse_symbols::SymbolTable::parse(&symbol_space)?.find(address)
}

/// On the host there is no image.
#[cfg(not(target_os = "none"))]
#[must_use]
pub fn find(_address: u64) -> Option<Found<'static>> {
    None
}
