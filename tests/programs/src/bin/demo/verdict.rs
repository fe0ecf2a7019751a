//! Expected against counted.

use gatehouse_runtime::abi::SystemInformation;

use crate::counters::{Reading, Tally};
use crate::names::{EXCEPTIONS, may_be_unasked};
use crate::problems::Problems;

/// Everything that decides.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    pub(crate) before: &'a [Reading],
    pub(crate) after: &'a [Reading],
    expected: &'a [Tally],
    expected_sum: Tally,
    counted_sum: Tally,
    pub(crate) system: &'a SystemInformation,
    pub(crate) frames_leaked: i64,
    pub(crate) heap_bytes_leaked: i64,
    /// How long the work took.
    pub(crate) nanoseconds: u64,
    /// Whether nothing else ran; else the counts may be higher than expected and memory cannot be compared.
    alone: bool,
}

/// One kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) expected: u64,
    pub(crate) counted: u64,
    /// How many of these came from outside the machine though nothing that was done raises them: NMIs and machine checks.
    pub(crate) unasked: u64,
}

impl Row {
    const fn new(name: &'static str, expected: u64, counted: u64) -> Self {
        Self { name, expected, counted, unasked: 0 }
    }
}

impl<'a> Verdict<'a> {
    pub(crate) fn new(
        before: &'a [Reading],
        after: &'a [Reading],
        expected: &'a [Tally],
        system_before: &SystemInformation,
        system: &'a SystemInformation,
        nanoseconds: u64,
        alone: bool,
    ) -> Self {
        let (mut expected_sum, mut counted_sum) = (Tally::default(), Tally::default());
        for tally in expected {
            expected_sum += tally;
        }
        for (before, after) in before.iter().zip(after) {
            counted_sum += &Tally::between(before, after);
        }
        let grown = |before: u64, after: u64| after.wrapping_sub(before) as i64;
        Self {
            before,
            after,
            expected,
            expected_sum,
            counted_sum,
            system,
            frames_leaked: grown(system_before.frames_in_use, system.frames_in_use),
            heap_bytes_leaked: grown(system_before.heap_bytes_in_use, system.heap_bytes_in_use),
            nanoseconds,
            alone,
        }
    }

    /// Every kind, over all CPUs.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        rows(&self.expected_sum, &self.counted_sum)
    }

    /// What user-space handlers did, over all CPUs.
    pub(crate) fn handled(&self) -> impl Iterator<Item = Row> {
        handled(&self.expected_sum, &self.counted_sum)
    }

    /// Whether a count is what it should be.
    pub(crate) const fn agrees(&self, row: &Row) -> bool {
        if self.alone { row.counted == row.expected + row.unasked } else { row.counted >= row.expected }
    }

    /// Tells every problem that the numbers show.
    pub(crate) fn judge(&self, problems: &mut Problems) {
        for (cpu, expected) in self.expected.iter().enumerate() {
            let counted = Tally::between(&self.before[cpu], &self.after[cpu]);
            for row in rows(expected, &counted).chain(handled(expected, &counted)).filter(|row| !self.agrees(row)) {
                let Row { name, expected, counted, .. } = row;
                problems.tell(format_args!("CPU {cpu} counted {counted} {name}, expected {expected}"));
            }
            if counted.timer == 0 {
                problems.tell(format_args!("CPU {cpu} had no timer interrupt though threads slept there"));
            }
            let information = &self.after[cpu].information;
            let room = information.interrupt_stack_top.saturating_sub(information.interrupt_stack_base);
            if !(1..=room).contains(&information.interrupt_stack_deepest) {
                problems.tell(format_args!(
                    "CPU {cpu} used {} of {room} bytes of its interrupt stack",
                    information.interrupt_stack_deepest
                ));
            }
        }
        if self.expected.len() > 1 && self.counted_sum.ipi == 0 {
            problems.tell(format_args!("no CPU had an inter-processor interrupt though threads moved"));
        }
        if self.alone && self.frames_leaked != 0 {
            problems.tell(format_args!("{} more page frames in use than before", self.frames_leaked));
        }
        if self.alone && self.heap_bytes_leaked != 0 {
            problems.tell(format_args!("{} more bytes of kernel heap in use than before", self.heap_bytes_leaked));
        }
    }
}

/// Every kind of one tally beside that of another.
fn rows(expected: &Tally, counted: &Tally) -> impl Iterator<Item = Row> {
    let (expected, counted) = (*expected, *counted);
    let exceptions = EXCEPTIONS.into_iter().map(move |exception| {
        let (expected, counted) = (expected.exceptions[exception.vector], counted.exceptions[exception.vector]);
        let more = if may_be_unasked(exception.vector) { counted.saturating_sub(expected) } else { 0 };
        Row { unasked: more, ..Row::new(exception.name, expected, counted) }
    });
    let by_syscall = Row::new("system_call", expected.by_syscall, counted.by_syscall);
    let by_int80 = Row::new("system_call_int80", expected.by_int80, counted.by_int80);
    exceptions.chain([by_syscall, by_int80])
}

/// What the handlers of one tally did beside those of another. Nobody else's faults go to them, so the counts are exact.
fn handled(expected: &Tally, counted: &Tally) -> impl Iterator<Item = Row> {
    [
        Row::new("page_fault_paged", expected.paged, counted.paged),
        Row::new("stop_debugged", expected.debugged, counted.debugged),
    ]
    .into_iter()
}

#[cfg(test)]
mod tests {
    use super::{Row, Verdict};
    use crate::counters::{Reading, Tally};
    use gatehouse_runtime::abi::SystemInformation;

    fn counts(page_faults: u64) -> [Reading; 2] {
        let mut readings = [Reading::default(); 2];
        readings[1].information.exceptions[14] = page_faults;
        readings
    }

    #[test]
    fn sums_are_over_all_cpus_and_a_difference_is_seen() {
        let (before, after) = (counts(2), counts(7));
        let mut expected = [Tally::default(); 2];
        expected[0].exceptions[14] = 4;
        let system = SystemInformation::default();
        let verdict = Verdict::new(&before, &after, &expected, &system, &system, 0, true);
        let row = verdict.rows().find(|row| row.name == "page_fault").expect("it is a kind");
        assert_eq!(row, Row::new("page_fault", 4, 5));
        assert!(!verdict.agrees(&row));
        assert_eq!(verdict.rows().filter(|row| !verdict.agrees(row)).count(), 1);
        let with_company = Verdict::new(&before, &after, &expected, &system, &system, 0, false);
        assert!(with_company.agrees(&row));
    }

    #[test]
    fn what_handlers_did_is_judged_too() {
        let (before, mut after) = ([Reading::default(); 1], [Reading::default(); 1]);
        (after[0].paged, after[0].debugged) = (3, 4);
        let expected = [Tally { paged: 3, debugged: 5, ..Tally::default() }];
        let system = SystemInformation::default();
        let verdict = Verdict::new(&before, &after, &expected, &system, &system, 0, true);
        let wrong: Vec<_> = verdict.handled().filter(|row| !verdict.agrees(row)).collect();
        assert_eq!(wrong, [Row::new("stop_debugged", 5, 4)]);
    }

    #[test]
    fn what_comes_from_outside_is_told_and_is_no_failure() {
        let (before, mut after) = ([Reading::default(); 1], [Reading::default(); 1]);
        (after[0].information.exceptions[2], after[0].information.exceptions[18]) = (7, 1);
        after[0].information.exceptions[0] = 1;
        let system = SystemInformation::default();
        let expected = [Tally::default()];
        let verdict = Verdict::new(&before, &after, &expected, &system, &system, 0, true);
        let unasked: Vec<_> = verdict.rows().filter(|row| row.unasked > 0).map(|row| (row.name, row.unasked)).collect();
        assert_eq!(unasked, [("nmi", 7), ("machine_check", 1)]);
        let wrong: Vec<_> = verdict.rows().filter(|row| !verdict.agrees(row)).collect();
        assert_eq!(wrong, [Row::new("divide_error", 0, 1)]);
    }

    #[test]
    fn leaks_have_a_sign() {
        let before = SystemInformation { frames_in_use: 10, heap_bytes_in_use: 5, ..SystemInformation::default() };
        let after = SystemInformation { frames_in_use: 7, heap_bytes_in_use: 6, ..SystemInformation::default() };
        let verdict = Verdict::new(&[], &[], &[], &before, &after, 0, true);
        assert_eq!((verdict.frames_leaked, verdict.heap_bytes_leaked), (-3, 1));
    }
}
