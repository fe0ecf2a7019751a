//! What capabilities stand for: whatever is registered. `docs/extending.md` says how to add a kind of object.

mod counted;
#[expect(clippy::module_inception, reason = "the file holds what the folder is named for")]
mod object;
mod ports;
mod removed;
mod space;

pub use counted::{Close, Counted};
pub(crate) use object::register_object;
pub use object::{AnyObject, Holder, KernelObject, ObjectType};
pub use ports::{DeviceControl, Ports};
pub use removed::{drop_removed, drop_some_removed};
pub use space::{FOREST, Space, TryInspect, new_space};
