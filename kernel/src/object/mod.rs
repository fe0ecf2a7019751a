//! What capabilities stand for.

#[expect(clippy::module_inception, reason = "the file holds what the folder is named for")]
mod object;
mod space;

pub use object::KernelObject;
pub use space::{FOREST, Space, new_space, release, release_all};
