//! Programs: an address space, the threads in it, and how all of it ends.

pub mod archive;
pub mod elf;
mod end;
mod paused;
#[expect(clippy::module_inception, reason = "the file holds what the folder is named for")]
mod program;
mod spawn;
mod stopped;
mod utcbs;
mod wait;

pub use end::{
    HOOKS, end_before_start, end_current, end_running_thread, end_unanswered, end_waiting, exited, kill, lose_page,
    thread_gone, when_first_ends,
};
pub use paused::{pause, pause_current, unpause};
pub use program::{EndingAdapter, Life, NoThread, Program, THREAD_QUOTA, count};
pub use spawn::{SpawnError, Start, spawn_program, spawn_thread, spawn_thread_among};
pub use stopped::with_stopped;
pub use utcbs::{UTCB_END, UtcbSlot};
pub use wait::{Waited, not_told, told, wait_for_child};
