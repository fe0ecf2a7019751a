//! What capabilities stand for.

mod counted;
#[expect(clippy::module_inception, reason = "the file holds what the folder is named for")]
mod object;
mod ports;
mod removed;
mod space;
mod timer;

pub use counted::{Close, Counted};
pub use object::KernelObject;
pub use ports::Ports;
pub use removed::{drop_removed, drop_some_removed};
pub use space::{FOREST, Space, new_space};
pub use timer::TimerCapability;
