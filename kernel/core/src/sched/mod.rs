//! Who runs next.

mod priority;

pub use priority::PRIORITIES;
