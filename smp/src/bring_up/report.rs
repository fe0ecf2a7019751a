//! What came of a start.

use alloc::vec::Vec;
use core::fmt;

use percpu::ApicId;

use super::State;
use crate::local_apic::SendError;

/// A CPU that is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnlineCpu {
    /// Its local APIC id.
    pub apic_id: ApicId,
    /// Nanoseconds from the first INIT until it was online, by its own clock; 0 if that clock lags behind.
    pub online_ns: u64,
}

/// A CPU that did not come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadCpu {
    /// Its local APIC id.
    pub apic_id: ApicId,
    /// How far it had come: [`State::Waiting`] or [`State::Started`].
    pub reached: State,
    /// Why it could not be told to start, if that is the cause.
    pub send_error: Option<SendError>,
}

impl fmt::Display for DeadCpu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CPU with APIC id {}: ", self.apic_id)?;
        match self.send_error {
            Some(error) => error.fmt(formatter),
            None => self.reached.fmt(formatter),
        }
    }
}

/// What came of a start. Both lists are in the order of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The CPUs that run.
    pub online: Vec<OnlineCpu>,
    /// The CPUs that do not, and never will.
    pub dead: Vec<DeadCpu>,
    /// Nanoseconds from the first INIT until the last CPU was online or given up.
    pub elapsed_ns: u64,
}
