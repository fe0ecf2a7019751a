//! The report: one HTML file with everything in it.

mod charts;
mod page;

pub use charts::operations;
pub use page::page;
