//! What one CPU remembers of its machine checks.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use percpu::{CpuShared, per_cpu};

use super::severity::Severity;
use super::status::{BankStatus, GlobalStatus};

/// What a bank held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineCheckEvent {
    /// The bank's number.
    pub bank: u64,
    /// Its status register.
    pub status: u64,
    /// Its address register; 0 where there is none.
    pub address: u64,
    /// Its miscellaneous register; 0 where there is none.
    pub misc: u64,
    /// The global status register.
    pub global: u64,
}

impl fmt::Display for MachineCheckEvent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bank, status, address, misc, global } = *self;
        write!(out, "bank {bank}: {} (status {status:#x}, address {address:#x}, misc {misc:#x}", BankStatus(status))?;
        let global = GlobalStatus(global);
        out.write_str(if global.can_restart() { ", can restart" } else { ", cannot restart" })?;
        out.write_str(if global.is_about_instruction() { ", about the instruction)" } else { ")" })
    }
}

per_cpu! {
    /// What this CPU remembers of its machine checks.
    pub zeroed static MACHINE_CHECKS: CpuShared<MachineCheckState> = MachineCheckState::new();
}

/// Counters and the last event. Only the owning CPU writes, in its handler, which nothing interrupts that writes too.
#[derive(Debug)]
pub struct MachineCheckState {
    /// Machine checks that this CPU has entered, for the meeting of all CPUs.
    pub entered: AtomicU64,
    corrected: AtomicU64,
    deferred: AtomicU64,
    contained: AtomicU64,
    missed_meetings: AtomicU64,
    last: [AtomicU64; 5],
    to_be_told: AtomicBool,
}

fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl MachineCheckState {
    /// Of none.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entered: AtomicU64::new(0),
            corrected: AtomicU64::new(0),
            deferred: AtomicU64::new(0),
            contained: AtomicU64::new(0),
            missed_meetings: AtomicU64::new(0),
            last: [const { AtomicU64::new(0) }; 5],
            to_be_told: AtomicBool::new(false),
        }
    }

    /// Counts what a bank held.
    pub fn count(&self, severity: Severity) {
        match severity {
            Severity::Corrected => increment(&self.corrected),
            Severity::Deferred => increment(&self.deferred),
            Severity::Nothing | Severity::ActionRequired | Severity::Fatal => {}
        }
    }

    /// Remembers the event that decided.
    pub fn remember(&self, event: &MachineCheckEvent) {
        let words = [event.bank, event.status, event.address, event.misc, event.global];
        self.last.iter().zip(words).for_each(|(place, word)| place.store(word, Ordering::Relaxed));
    }

    /// Notes whether the event is still to be told; answers whether it was.
    pub fn is_to_be_told(&self, now: bool) -> bool {
        self.to_be_told.swap(now, Ordering::Relaxed)
    }

    /// One program was ended.
    pub fn count_contained(&self) {
        increment(&self.contained);
    }

    /// Not all CPUs came.
    pub fn count_missed_meeting(&self) {
        increment(&self.missed_meetings);
    }

    /// Errors that the hardware had corrected.
    #[must_use]
    pub fn corrected(&self) -> u64 {
        self.corrected.load(Ordering::Relaxed)
    }

    /// Errors about which nothing had to be done.
    #[must_use]
    pub fn deferred(&self) -> u64 {
        self.deferred.load(Ordering::Relaxed)
    }

    /// Errors that ended one program.
    #[must_use]
    pub fn contained(&self) -> u64 {
        self.contained.load(Ordering::Relaxed)
    }

    /// Machine checks that all CPUs should have been told of, and not all came.
    #[must_use]
    pub fn missed_meetings(&self) -> u64 {
        self.missed_meetings.load(Ordering::Relaxed)
    }

    /// The event that was noted last.
    #[must_use]
    pub fn last(&self) -> Option<MachineCheckEvent> {
        let [bank, status, address, misc, global] =
            [0, 1, 2, 3, 4].map(|index| self.last[index].load(Ordering::Relaxed));
        (status != 0).then_some(MachineCheckEvent { bank, status, address, misc, global })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_and_the_last_is_kept() {
        let state = MachineCheckState::new();
        assert_eq!(state.last(), None);
        let event =
            MachineCheckEvent { bank: 2, status: 0xbd80_0000_0000_0134, address: 0x5000, misc: 0x8c, global: 7 };
        for severity in [Severity::Corrected, Severity::Deferred, Severity::ActionRequired] {
            state.count(severity);
        }
        state.remember(&event);
        assert_eq!((state.corrected(), state.deferred(), state.last()), (1, 1, Some(event)));
        assert_eq!(
            event.to_string(),
            "bank 2: uncorrected, action required: data cache, level 0: data read (status 0xbd80000000000134, \
             address 0x5000, misc 0x8c, can restart, about the instruction)"
        );
    }
}
