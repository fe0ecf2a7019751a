//! How programs and threads begin, stand still and end: what is done with all that a program has.

mod end;
mod paused;
mod spawn;
mod stopped;
mod wait;

pub use end::{FATES, HOOKS, end_before_start, end_current, end_running_thread, exited, kill, when_first_ends};
pub use paused::{pause_current, unpause};
pub use spawn::{SpawnError, Start, spawn_program, spawn_thread, spawn_thread_among};
pub use stopped::with_stopped;
pub use wait::{Waited, not_told, told, wait_for_child};
