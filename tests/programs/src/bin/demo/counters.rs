//! What the kernel counted on every CPU, and what it should have counted.

use core::ops::AddAssign;

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{CpuInformation, Error};
use gatehouse_runtime::entry_point::{self, CallsMade};

use crate::handlers::Place;
use crate::plan::CALLS_PER_PAGE;

/// What one CPU counted until some moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) information: CpuInformation,
    /// The system calls of this program until then, the one that read the counters included.
    pub(crate) own_calls: CallsMade,
    /// Page faults that this CPU's pager has resolved.
    pub(crate) paged: u64,
    /// Stops on this CPU that the debugger has answered.
    pub(crate) debugged: u64,
}

/// Reads the counters of CPU 0, 1, 2 and so on.
///
/// # Errors
/// A CPU that should be online is not known to the kernel.
pub(crate) fn read(readings: &mut [Reading], places: &[Place]) -> Result<(), Error> {
    for ((index, reading), place) in readings.iter_mut().enumerate().zip(places) {
        let information = Kernel::cpu_information(index as u64)?;
        *reading = Reading {
            information,
            own_calls: entry_point::calls_made(),
            paged: place.paged(),
            debugged: place.debugged(),
        };
    }
    Ok(())
}

/// Events on one CPU between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) exceptions: [u64; 32],
    pub(crate) by_syscall: u64,
    pub(crate) by_int80: u64,
    pub(crate) timer: u64,
    pub(crate) ipi: u64,
    pub(crate) device: u64,
    pub(crate) spurious: u64,
    pub(crate) unexpected: u64,
    pub(crate) paged: u64,
    pub(crate) debugged: u64,
}

impl Tally {
    /// What happened between two readings of one CPU.
    pub(crate) fn between(before: &Reading, after: &Reading) -> Self {
        let (paged, debugged) = (after.paged - before.paged, after.debugged - before.debugged);
        let (before, after) = (&before.information, &after.information);
        let mut exceptions = after.exceptions;
        for (count, earlier) in exceptions.iter_mut().zip(before.exceptions) {
            *count = count.wrapping_sub(earlier);
        }
        Self {
            exceptions,
            by_syscall: after.system_calls_syscall.wrapping_sub(before.system_calls_syscall),
            by_int80: after.system_calls_int80.wrapping_sub(before.system_calls_int80),
            timer: after.timer.wrapping_sub(before.timer),
            ipi: after.ipi.wrapping_sub(before.ipi),
            device: after.device.wrapping_sub(before.device),
            spurious: after.spurious.wrapping_sub(before.spurious),
            unexpected: after.unexpected_interrupts.wrapping_sub(before.unexpected_interrupts),
            paged,
            debugged,
        }
    }

    pub(crate) fn add_calls(&mut self, calls: CallsMade) {
        self.by_syscall += calls.syscall;
        self.by_int80 += calls.int80;
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        for (sum, count) in self.exceptions.iter_mut().zip(other.exceptions) {
            *sum += count;
        }
        self.by_syscall += other.by_syscall;
        self.by_int80 += other.by_int80;
        self.timer += other.timer;
        self.ipi += other.ipi;
        self.device += other.device;
        self.spurious += other.spurious;
        self.unexpected += other.unexpected;
        self.paged += other.paged;
        self.debugged += other.debugged;
    }
}

/// Adds the calls that this program itself made on its CPU `here` between the two readings of that CPU: those of its
/// pagers, which are expected on their own CPUs already, are none of them.
pub(crate) fn add_own_calls(expected: &mut [Tally], before: &[Reading], after: &[Reading], here: u64) {
    let here = here as usize;
    let of_pagers = expected.iter().map(|tally| tally.paged * CALLS_PER_PAGE).sum::<u64>();
    let (before, after) = (before[here].own_calls, after[here].own_calls);
    expected[here].add_calls(CallsMade {
        syscall: (after.syscall - before.syscall).saturating_sub(of_pagers),
        int80: after.int80 - before.int80,
    });
}

#[cfg(test)]
mod tests {
    use super::{Reading, Tally, add_own_calls};
    use gatehouse_runtime::entry_point::CallsMade;

    #[test]
    fn a_tally_is_the_difference() {
        let (mut before, mut after) = (Reading::default(), Reading::default());
        before.information.exceptions[14] = 3;
        after.information.exceptions[14] = 10;
        after.information.system_calls_int80 = 4;
        let mut sum = Tally::default();
        sum += &Tally::between(&before, &after);
        sum += &Tally::between(&before, &after);
        assert_eq!((sum.exceptions[14], sum.by_int80, sum.by_syscall), (14, 8, 0));
    }

    #[test]
    fn own_calls_go_to_the_own_cpu() {
        let mut expected = [Tally::default(); 2];
        let before = [Reading { own_calls: CallsMade { syscall: 5, int80: 0 }, ..Reading::default() }; 2];
        let after = [Reading { own_calls: CallsMade { syscall: 9, int80: 1 }, ..Reading::default() }; 2];
        add_own_calls(&mut expected, &before, &after, 1);
        assert_eq!(expected[0], Tally::default());
        assert_eq!((expected[1].by_syscall, expected[1].by_int80), (4, 1));
        // Two of the four calls are the first CPU's pager's.
        let mut expected = [Tally { paged: 1, by_syscall: 2, ..Tally::default() }, Tally::default()];
        add_own_calls(&mut expected, &before, &after, 1);
        assert_eq!((expected[0].by_syscall, expected[1].by_syscall), (2, 2));
    }
}
