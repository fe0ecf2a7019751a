//! Moments, and how fast the clock goes.

pub mod clock_rate;
mod deadline_tree;
mod lanes;

pub use deadline_tree::{DeadlineTree, Key, Timed};
pub use lanes::Lanes;
