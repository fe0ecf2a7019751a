//! Where the program `syscall_boundary` has its instruction.

/// The highest page that a program may have in its image; `scripts/syscall_boundary.ld` has the same number.
pub const BOUNDARY_PAGE: u64 = 0x7fff_ffff_e000;

/// The SYSCALL that ends with that page: its two bytes are the last two.
pub const BOUNDARY_SITE: u64 = BOUNDARY_PAGE + 4096 - 2;
