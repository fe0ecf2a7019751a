//! Programs: an address space, and the threads in it. How they begin and end is [`crate::life`]'s.

pub mod archive;
mod fates;
pub mod list;
mod load;
#[expect(clippy::module_inception, reason = "the file holds what the folder is named for")]
mod program;
mod residence;
mod utcbs;

pub use fates::{Fates, end_unanswered, end_waiting, install_fates, lose_page, pause};
pub use load::{LoadError, load};
pub use program::{EndingAdapter, Life, NoThread, Program, THREAD_QUOTA, count};
pub use residence::{Residence, is_pinned};
pub use utcbs::UtcbSlot;

pub use crate::sched::thread_gone;
