//! Starting the application processors: all at once, each with its own record, within a deadline.
//!
//! The crate's front page pictures the protocol. Source of the sequence and its delays: Intel SDM volume 3A,
//! "Multiple-Processor (MP) Initialization", "Typical AP Initialization Sequence".

#[cfg(all(test, not(loom)))]
mod fake_machine;
mod record;
mod report;
mod sender;
mod start;
#[cfg(all(test, not(loom)))]
mod start_tests;

pub use record::{StartRecord, State};
pub use report::{DeadCpu, OnlineCpu, Report};
pub use sender::IpiSender;
pub use start::{StartError, Timing, start_all};
