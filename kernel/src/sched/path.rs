//! How a CPU gets from the thread that runs to one that has waited for it: the conditions of the fast path.

use crate::thread::Needs;

/// From the running thread, which stops or is preempted, to another one, which has waited and is in no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// It runs at once, past the run queue, and nothing but page tables and segment bases is switched.
    Direct,
    /// It runs at once, past the run queue, and either thread has state that most have not.
    WithState,
    /// It belongs to another CPU, to which it is handed over.
    Remote,
}

impl Path {
    /// The path to a thread with these needs, on the CPU `here`. `plain` is that index as well while the CPU has no state loaded
    /// that most threads have not, else no CPU's. `is_first` says whether nobody who is ready here goes before the thread; it is
    /// asked only where the answer matters. `None`: the slow path, which makes the thread ready as any other.
    #[must_use]
    #[inline(always)]
    pub fn choose(needs: Needs, here: u32, plain: u64, is_first: impl FnOnce() -> bool) -> Option<Self> {
        // One comparison where nothing is special, as a rule.
        if needs.are_plain_on(plain) {
            return if is_first() { Some(Self::Direct) } else { None };
        }
        if needs.cpu() != here {
            return if needs.are_nothing() { Some(Self::Remote) } else { None };
        }
        if needs.allow_running_at_home() && is_first() { Some(Self::WithState) } else { None }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use percpu::CpuIndex;

    use super::Path::{self, Direct, Remote, WithState};
    use crate::thread::{ThreadFlag, ThreadFlags};

    /// No CPU's index: state is loaded that most threads have not.
    const NOT_PLAIN: u64 = u64::MAX;

    fn path(thread: &ThreadFlags, here: u32, plain: u64, is_first: bool) -> Option<Path> {
        Path::choose(thread.now(), here, plain, || is_first)
    }

    fn on(cpu: u32, reasons: &[ThreadFlag]) -> ThreadFlags {
        let flags = ThreadFlags::new(CpuIndex::new(cpu));
        reasons.iter().for_each(|reason| flags.put(*reason, true));
        flags
    }

    #[test]
    fn a_plain_thread_of_this_cpu_runs_at_once_whatever_cpu_that_is() {
        for cpu in [0, 1, 7, 4095] {
            assert_eq!(path(&on(cpu, &[]), cpu, u64::from(cpu), true), Some(Direct));
            assert_eq!(path(&on(cpu, &[]), cpu, NOT_PLAIN, true), Some(WithState), "the one that runs has state");
        }
    }

    /// Priorities hold on every path: who is less urgent than somebody ready is never run past them.
    #[test]
    fn nobody_runs_past_a_more_urgent_one_that_is_ready() {
        let states: [&[ThreadFlag]; 4] = [
            &[],
            &[ThreadFlag::FloatingPoint],
            &[ThreadFlag::DebugRegisters],
            &[ThreadFlag::BasesByMsr, ThreadFlag::Migratable],
        ];
        for state in states {
            for plain in [3, NOT_PLAIN] {
                assert_eq!(path(&on(3, state), 3, plain, false), None, "{state:?}");
                assert_ne!(path(&on(3, state), 3, plain, true), None, "{state:?}");
            }
        }
    }

    #[test]
    fn a_thread_with_state_of_its_own_is_switched_to_with_it() {
        for state in
            [ThreadFlag::FloatingPoint, ThreadFlag::DebugRegisters, ThreadFlag::BasesByMsr, ThreadFlag::Migratable]
        {
            assert_eq!(path(&on(2, &[state]), 2, 2, true), Some(WithState), "{state:?}");
        }
    }

    #[test]
    fn a_thread_that_is_to_stop_or_is_timed_or_misplaced_takes_the_slow_path_everywhere() {
        for reason in [ThreadFlag::Stop, ThreadFlag::Limit, ThreadFlag::Misplaced] {
            for state in [&[reason][..], &[reason, ThreadFlag::FloatingPoint], &[reason, ThreadFlag::Migratable]] {
                assert_eq!(path(&on(2, state), 2, 2, true), None, "{state:?}");
                assert_eq!(path(&on(2, state), 5, 5, true), None, "{state:?}");
            }
        }
    }

    #[test]
    fn a_thread_of_another_cpu_is_handed_over_unless_its_cpu_is_to_be_chosen() {
        for plain in [5, NOT_PLAIN] {
            for is_first in [true, false] {
                assert_eq!(
                    path(&on(2, &[]), 5, plain, is_first),
                    Some(Remote),
                    "who is ready here does not matter there"
                );
                assert_eq!(path(&on(2, &[ThreadFlag::FloatingPoint]), 5, plain, is_first), Some(Remote));
                assert_eq!(path(&on(2, &[ThreadFlag::Migratable]), 5, plain, is_first), None);
            }
        }
    }

    /// Every combination of needs: the rules as they are told, against the order in which they are asked.
    #[test]
    fn every_combination_of_needs_follows_the_rules() {
        let reasons = [
            ThreadFlag::FloatingPoint,
            ThreadFlag::BasesByMsr,
            ThreadFlag::Stop,
            ThreadFlag::DebugRegisters,
            ThreadFlag::Limit,
            ThreadFlag::Migratable,
            ThreadFlag::Misplaced,
            ThreadFlag::Overdue,
            ThreadFlag::VoidLimit,
        ];
        for set in 0..1_u32 << reasons.len() {
            let chosen: Vec<_> =
                reasons.iter().enumerate().filter(|(bit, _)| set & 1 << bit != 0).map(|(_, reason)| *reason).collect();
            let has = |wanted: &[ThreadFlag]| chosen.iter().any(|reason| wanted.contains(reason));
            for (cpu, here) in [(1, 1), (1, 4)] {
                for (plain, is_first) in
                    [(u64::from(here), true), (u64::from(here), false), (NOT_PLAIN, true), (NOT_PLAIN, false)]
                {
                    let not_at_once = has(&[ThreadFlag::Stop, ThreadFlag::Limit, ThreadFlag::Misplaced]);
                    let expected = match cpu == here {
                        false if not_at_once || has(&[ThreadFlag::Migratable]) => None,
                        false => Some(Remote),
                        true if !is_first || not_at_once => None,
                        true if chosen.is_empty() && plain != NOT_PLAIN => Some(Direct),
                        true => Some(WithState),
                    };
                    assert_eq!(path(&on(cpu, &chosen), here, plain, is_first), expected, "{chosen:?} {cpu} {here}");
                }
            }
        }
    }
}
