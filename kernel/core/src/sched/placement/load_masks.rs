//! What CPUs tell each other, so that threads and CPUs without one find each other.
//!
//! Two flags for each CPU:
//!
//! * *idle*: the CPU may have nothing to run. Raised by the CPU itself, when it has; lowered by whoever has a thread for it, who
//!   thereby claims the CPU, for one thread. Nobody lowers the flag of a CPU that goes back to work by itself, so a claim
//!   is worth something only if the CPU is still seen to be idle afterwards; a CPU that comes and goes writes nothing.
//! * *overloaded*: threads that may run elsewhere may be ready on the CPU. Raised and lowered by that CPU alone.
//!
//! A thread that finds no CPU and a CPU that finds no thread must not miss each other. The one raises *overloaded* and then looks
//! for *idle*, the other is seen to be idle, raises *idle* and then looks for *overloaded*, each with a fence in between: one of
//! them sees the other. And between the lowering of a stale *idle* and the CPU that becomes idle meanwhile: the one
//! lowers and then looks at the CPU, the other is seen to be idle and then looks at its flag.
//!
//! While no thread may run anywhere but where it is, a CPU that becomes idle looks at one word, and nothing else is done.

use percpu::CpuIndex;

use super::cpu_flags::CpuFlags;
use crate::atomic::{AtomicU64, Ordering};

/// The flags of all CPUs.
#[derive(Debug)]
pub struct LoadMasks {
    idle: CpuFlags,
    overloaded: CpuFlags,
}

/// How many threads there are that may run on several CPUs.
#[derive(Debug)]
pub struct MigratableThreads(AtomicU64);

impl MigratableThreads {
    /// None.
    #[cfg(not(all(loom, test)))]
    #[must_use]
    #[inline]
    pub const fn none() -> Self {
        Self(AtomicU64::new(0))
    }

    /// None. The model's words cannot be made at compile time.
    #[cfg(all(loom, test))]
    #[must_use]
    #[inline]
    pub fn none() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Whether there are any.
    #[inline(always)]
    pub fn is_any(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    /// There is one more.
    #[inline]
    pub fn one_more(&self, load_masks: Option<&LoadMasks>) {
        // CPUs that became idle while there was none have not said so. Before and after, since the last of others may go
        // in between.
        let say_so = || load_masks.into_iter().for_each(|load_masks| load_masks.idle.raise_all());
        if !self.is_any() {
            say_so();
        }
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            say_so();
        }
    }

    /// There is one less.
    #[inline]
    pub fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl LoadMasks {
    /// Masks for so many CPUs.
    #[must_use]
    #[inline]
    pub fn new(cpus: usize) -> Self {
        Self { idle: CpuFlags::new(cpus), overloaded: CpuFlags::new(cpus) }
    }

    /// The calling CPU, which others can see to be idle, has nothing to run. Answers a CPU that may have a thread for it and
    /// that `ask` holds for.
    #[inline]
    pub fn became_idle(&self, cpu: CpuIndex, mut ask: impl FnMut(CpuIndex) -> bool) -> Option<CpuIndex> {
        self.overloaded.lower(cpu);
        self.idle.raise(cpu);
        self.overloaded.find(cpu, |other| other != cpu && ask(other))
    }

    /// Claims a CPU if it is idle.
    #[inline]
    pub fn claim(&self, cpu: CpuIndex, is_idle: impl FnOnce(CpuIndex) -> bool) -> bool {
        self.idle.lower(cpu) && is_idle(cpu)
    }

    /// Claims an idle CPU that suits, the first one behind `start`.
    #[inline]
    pub fn claim_any(
        &self,
        start: CpuIndex,
        mut suits: impl FnMut(CpuIndex) -> bool,
        mut is_idle: impl FnMut(CpuIndex) -> bool,
    ) -> Option<CpuIndex> {
        self.idle.find(start, |cpu| suits(cpu) && self.claim(cpu, &mut is_idle))
    }

    /// Gives a claim back: there is no thread for the CPU after all.
    #[inline]
    pub fn release(&self, cpu: CpuIndex) {
        self.idle.raise(cpu);
    }

    /// Threads that may run elsewhere are ready on the calling CPU: to be said before [`Self::claim_any`] looks where.
    #[inline]
    pub fn note_overloaded(&self, cpu: CpuIndex) {
        self.overloaded.raise(cpu);
    }

    /// No threads that may run elsewhere are ready on the calling CPU.
    #[inline]
    pub fn note_not_overloaded(&self, cpu: CpuIndex) {
        self.overloaded.lower(cpu);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const ALL: [CpuIndex; 3] = [CpuIndex::new(0), CpuIndex::new(1), CpuIndex::new(2)];

    #[test]
    fn an_idle_cpu_is_claimed_once_and_a_busy_one_never() {
        let load_masks = LoadMasks::new(3);
        assert_eq!(load_masks.became_idle(ALL[2], |_| true), None);
        assert_eq!(load_masks.became_idle(ALL[1], |_| true), None);
        // CPU 1 works again, and has told nobody.
        let is_idle = |cpu| cpu == ALL[2];
        assert_eq!(load_masks.claim_any(ALL[0], |_| true, is_idle), Some(ALL[2]));
        assert_eq!(load_masks.claim_any(ALL[0], |_| true, |_| true), None);
        load_masks.release(ALL[2]);
        assert_eq!(load_masks.claim_any(ALL[0], |cpu| cpu != ALL[2], |_| true), None);
        assert!(load_masks.claim(ALL[2], |_| true) && !load_masks.claim(ALL[2], |_| true));
    }

    #[test]
    fn who_becomes_idle_finds_who_has_threads() {
        let load_masks = LoadMasks::new(3);
        load_masks.note_overloaded(ALL[1]);
        load_masks.note_overloaded(ALL[0]);
        assert_eq!(load_masks.became_idle(ALL[2], |_| true), Some(ALL[0]));
        assert_eq!(load_masks.became_idle(ALL[2], |cpu| cpu != ALL[0]), Some(ALL[1]));
        load_masks.note_not_overloaded(ALL[0]);
        assert_eq!(load_masks.became_idle(ALL[1], |_| true), None, "nobody asks himself");
        // CPU 1 has just said that it has nothing to run, so nobody asks it.
        assert_eq!(load_masks.became_idle(ALL[2], |_| true), None);
        load_masks.note_overloaded(ALL[1]);
        assert_eq!(load_masks.became_idle(ALL[2], |_| true), Some(ALL[1]));
    }

    #[test]
    fn with_the_first_that_is_migratable_all_may_be_idle() {
        let (load_masks, migratable) = (LoadMasks::new(2), MigratableThreads::none());
        assert!(!migratable.is_any() && !load_masks.claim(ALL[1], |_| true));
        migratable.one_more(Some(&load_masks));
        assert!(migratable.is_any() && load_masks.claim(ALL[1], |_| true) && !load_masks.claim(ALL[1], |_| true));
        migratable.one_more(Some(&load_masks));
        assert!(!load_masks.claim(ALL[1], |_| true));
        migratable.one_less();
        migratable.one_less();
        assert!(!migratable.is_any());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, AtomicUsize};
    use loom::thread;

    use super::*;

    const BUSY: CpuIndex = CpuIndex::new(0);
    const IDLE: CpuIndex = CpuIndex::new(1);

    /// CPU 1, which becomes idle, and busy CPUs that have a thread too many. Interrupts under way are counted.
    struct Machine {
        load_masks: LoadMasks,
        is_idle: AtomicBool,
        asked: AtomicBool,
        arrived: AtomicUsize,
    }

    impl Machine {
        /// `stale`: CPU 1 has raised its flag before, and is working.
        fn new(stale: bool) -> Arc<Self> {
            let load_masks = LoadMasks::new(3);
            if stale {
                load_masks.idle.raise(IDLE);
            }
            let (is_idle, asked) = (AtomicBool::new(false), AtomicBool::new(false));
            Arc::new(Self { load_masks, is_idle, asked, arrived: AtomicUsize::new(0) })
        }

        fn looks_idle(&self) -> bool {
            self.is_idle.load(Ordering::SeqCst)
        }

        /// A busy CPU gets one more thread; answers whether it keeps it.
        fn offer(&self, from: CpuIndex) -> bool {
            self.load_masks.note_overloaded(from);
            let claimed = self.load_masks.claim_any(from, |_| true, |cpu| cpu == IDLE && self.looks_idle());
            if claimed.is_some() {
                self.arrived.fetch_add(1, Ordering::SeqCst);
            }
            claimed.is_none()
        }

        fn become_idle(&self) {
            self.is_idle.swap(true, Ordering::SeqCst);
            self.load_masks.became_idle(IDLE, |_| {
                self.asked.store(true, Ordering::SeqCst);
                true
            });
        }
    }

    fn a_thread_and_an_idle_cpu_find_each_other(stale: bool) {
        loom::model(move || {
            let machine = Machine::new(stale);
            let other = Arc::clone(&machine);
            let idle = thread::spawn(move || other.become_idle());
            let kept = machine.offer(BUSY);
            idle.join().unwrap();
            // What was asked arrives in the end.
            let given = kept && machine.asked.load(Ordering::SeqCst);
            assert!(!kept || given, "the thread waits and the CPU sleeps");
            assert_eq!(machine.arrived.load(Ordering::SeqCst), usize::from(!kept));
        });
    }

    #[test]
    fn loom_of_a_thread_and_a_cpu_that_becomes_idle_one_sees_the_other() {
        a_thread_and_an_idle_cpu_find_each_other(false);
    }

    #[test]
    fn loom_of_a_thread_and_a_cpu_that_becomes_idle_again_one_sees_the_other() {
        a_thread_and_an_idle_cpu_find_each_other(true);
    }

    /// Two that have a thread for it: it is sent one and asks for another, or both ask one another, but no thread goes twice.
    #[test]
    fn loom_of_two_threads_and_one_idle_cpu_at_most_one_claims_it() {
        loom::model(|| {
            let machine = Machine::new(true);
            machine.is_idle.store(true, Ordering::SeqCst);
            let other = Arc::clone(&machine);
            let second = thread::spawn(move || other.offer(CpuIndex::new(2)));
            let first_kept = machine.offer(BUSY);
            let second_kept = second.join().unwrap();
            assert!(first_kept != second_kept, "{first_kept} {second_kept}");
            assert_eq!(machine.arrived.load(Ordering::SeqCst), 1);
        });
    }
}
