//! Addresses, and what may be done with the pages there.

pub mod layout;
mod physical_range;
mod rights;
mod user_range;

pub use physical_range::PhysicalRange;
pub use rights::Rights;
pub use user_range::UserRange;
