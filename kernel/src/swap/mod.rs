//! Swapping: pages of programs whose contents are elsewhere.
//!
//! ```text
//!   clock ─► send_away ─► store ─► bring_back
//!   which    page table,   slots,   fault, or a copy
//!   pages    other CPUs    bytes    of the kernel
//! ```
//!
//! [`room`] starts the clock when frames are scarce; a pager asks for single pages by SwapOut. `docs/swap.md` tells the rest.
//!
//! Locks, outermost first: an address space, the store, the frame pool. None is held while other CPUs are waited for.

mod block_pool;
mod bring_back;
mod clock;
mod disk;
mod room;
mod send_away;
mod settings;
mod start;
mod store;
mod waiting;

pub use bring_back::{fault, for_copy, forget_trouble, instruction_away, refused};
pub use clock::BATCH;
pub use room::{is_scarce, make_room};
pub use send_away::send_away;
pub use start::initialize;
pub use store::{ZERO, information, promise_zeros, release, store};
pub use waiting::{cancel_waiting, disk_interrupt};
