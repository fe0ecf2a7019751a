//! What capabilities stand for.

#[expect(clippy::module_inception, reason = "the file holds what the folder is named for")]
mod object;
mod space;
mod timer;

pub use object::{EndpointCapability, KernelObject};
pub use space::{FOREST, Space, new_space};
pub use timer::TimerCapability;
