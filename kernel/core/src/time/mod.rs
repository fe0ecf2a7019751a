//! Moments, and how fast the clock goes.

pub mod clock_rate;
mod deadline_tree;
mod lanes;
mod setting;

pub use deadline_tree::{DeadlineTree, Key, Timed};
pub use lanes::Lanes;
pub use setting::{OFF, Setting};
