//! Who runs next, and where.

mod affinity;
mod look_request;
pub mod placement;
mod priority;

pub use affinity::{Affinity, AffinityError};
pub use look_request::LookRequest;
pub use priority::PRIORITIES;
