//! Swapping: pages of programs whose contents are elsewhere.
//!
//! ```text
//!   replacement ─► swap_out ─► store ─► swap_in
//!   which    page table,   slots,   fault, or a copy
//!   pages    other CPUs    bytes    of the kernel
//! ```
//!
//! [`reclaim`] starts the clock when frames are scarce; a pager asks for single pages by SwapOut. `docs/swap.md` tells the rest.
//!
//! Locks, outermost first: an address space, the store, the frame pool. None is held while other CPUs are waited for.

mod block_pool;
mod disk;
mod reclaim;
mod replacement;
mod settings;
mod start;
mod store;
mod swap_in;
mod swap_out;
mod waiting;

pub use reclaim::{is_scarce, reclaim};
pub use replacement::BATCH;
pub use start::initialize;
pub use store::{ZERO, information, promise_zeros, release, store};
pub use swap_in::{fault, for_copy, forget_swap_error, instruction_swapped_out, refused};
pub use swap_out::swap_out;
pub use waiting::{cancel_waiting, disk_interrupt};
