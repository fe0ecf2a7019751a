//! Where the program `int_n` has its instructions.

use gatehouse_runtime::memory::IMAGE_BASE;

/// Bytes from one `int n; ret` to the next.
pub const INT_N_STRIDE: u64 = 4;

/// The address of the program's `int n` for this vector.
#[must_use]
pub const fn int_n_site(vector: u8) -> u64 {
    IMAGE_BASE + vector as u64 * INT_N_STRIDE
}
