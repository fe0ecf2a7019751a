//! What a CPU may do, and what is believed of it.

pub mod allowance;
pub mod watchdog;
