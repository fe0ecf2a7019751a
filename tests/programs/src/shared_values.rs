//! Values that a hazard and its row in the suite must agree on.

/// The exit status of `program_end`.
pub const PROGRAM_END_STATUS: u64 = 7;

/// The page that `unmap_elsewhere` takes away.
pub const UNMAP_ELSEWHERE_PAGE: u64 = 0x20_0000_0000;

/// The ways of `unreliable` to end badly.
pub const UNRELIABLE_SITES: u64 = 7;

/// Where the programs that lose a page have it.
pub const SWAP_ERROR_PAGES: u64 = 0x31_0000_0000;

/// The pages of a program that waits for them, from [`SWAP_ERROR_PAGES`] on.
pub const SWAP_WAITER_PAGES: u64 = 8;

/// The selector of a call gate 0x1000 bytes into a local descriptor table, which `local_descriptors` uses.
pub const LOCAL_CALL_GATE: u16 = 0x1007;
/// The selector of a data segment behind it.
pub const LOCAL_DATA: u16 = 0x1017;
