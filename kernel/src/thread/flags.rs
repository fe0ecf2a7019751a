//! Where a thread belongs, and what it needs besides a CPU when it becomes ready: one word, so that one comparison says that
//! it belongs to a CPU and needs nothing, as a rule.

use core::sync::atomic::{AtomicU64, Ordering};

use percpu::CpuIndex;

/// The CPU in the low half, and above it the reasons not to run the thread at once.
#[derive(Debug)]
pub struct ThreadFlags(AtomicU64);

/// What keeps a thread from being switched to by the shortest way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum ThreadFlag {
    /// There is floating-point state to save and load. Set by its owner.
    FloatingPoint = 1 << 32,
    /// FS and GS bases are loaded by MSR, this processor having no instructions for it. Set from the beginning.
    BasesByMsr = 1 << 33,
    /// It is to stop. Changed under the lock of the program's life.
    Stop = 1 << 34,
    /// It has hardware breakpoints. Set by its owner.
    DebugRegisters = 1 << 36,
    /// A deadline limits its wait: it is in a timer list. Changed by the CPU of that list.
    Limit = 1 << 35,
    /// It may run on several CPUs. Changed under the lock of its affinity.
    Migratable = 1 << 37,
    /// It may not run on the CPU that it belongs to. Changed under the lock of its affinity.
    Misplaced = 1 << 38,
    /// The deadline of its limited wait has come while somebody had it in hands. Set only beside `Limit`.
    Overdue = 1 << 39,
    /// Its limited wait is over, though its deadline is still in the timer list. Set only beside `Limit`, by its owner.
    VoidLimit = 1 << 40,
}

/// The CPU's part of the word.
const CPU: u64 = u32::MAX as u64;
/// What is to be loaded whenever the thread runs.
const STATE: u64 = ThreadFlag::FloatingPoint as u64 | ThreadFlag::DebugRegisters as u64;
/// What keeps it from running here at once.
const NOT_AT_ONCE: u64 = ThreadFlag::Stop as u64 | ThreadFlag::Limit as u64 | ThreadFlag::Misplaced as u64;
/// What is to be looked at whenever the thread becomes ready.
const WHEN_READY: u64 = NOT_AT_ONCE | PLACEMENT;
/// Its CPU is to be chosen anew.
const PLACEMENT: u64 = ThreadFlag::Migratable as u64 | ThreadFlag::Misplaced as u64;
/// Only the CPU that it belongs to may make it ready.
const AT_HOME: u64 = ThreadFlag::Stop as u64 | ThreadFlag::Limit as u64;

/// What [`ThreadFlags`] say at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs(u64);

impl Needs {
    /// The index of the CPU.
    #[must_use]
    #[inline(always)]
    pub const fn cpu(self) -> u32 {
        self.0 as u32
    }

    /// Whether the thread belongs to the CPU with this index and nothing special is to be done when it runs there.
    #[must_use]
    #[inline(always)]
    pub const fn are_plain_on(self, index: u64) -> bool {
        self.0 == index
    }

    /// Whether nothing is to be looked at when it becomes ready.
    #[must_use]
    #[inline(always)]
    pub const fn are_nothing(self) -> bool {
        self.0 & WHEN_READY == 0
    }

    /// Whether it may run at once on the CPU that it belongs to.
    #[must_use]
    #[inline(always)]
    pub const fn allow_running_at_home(self) -> bool {
        self.0 & NOT_AT_ONCE == 0
    }
}

impl ThreadFlags {
    /// A thread of this CPU that needs nothing else.
    #[must_use]
    pub fn new(cpu: CpuIndex) -> Self {
        Self(AtomicU64::new(u64::from(cpu.get())))
    }

    /// The CPU.
    #[must_use]
    #[inline(always)]
    pub fn cpu(&self) -> CpuIndex {
        CpuIndex::new(self.0.load(Ordering::SeqCst) as u32)
    }

    /// Sets the CPU.
    pub fn set_cpu(&self, cpu: CpuIndex) {
        // In one step: others read it at any time.
        let with_cpu = |word: u64| Some(word & !CPU | u64::from(cpu.get()));
        let _always = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, with_cpu);
    }

    /// All of it, as it is now.
    #[must_use]
    #[inline(always)]
    pub fn now(&self) -> Needs {
        Needs(self.0.load(Ordering::SeqCst))
    }

    /// The same in no order with what happens elsewhere: for whoever may run a thread past a mark that comes at this moment. Who
    /// leaves the mark sees to a thread that runs.
    #[must_use]
    #[inline(always)]
    pub fn at_a_glance(&self) -> Needs {
        Needs(self.0.load(Ordering::Relaxed))
    }

    /// Whether the thread has state that most threads have not. To be asked by its owner.
    #[must_use]
    #[inline(always)]
    pub fn has_state(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STATE != 0
    }

    /// Whether nothing is to be looked at when it becomes ready.
    #[must_use]
    #[inline(always)]
    pub fn is_nothing(&self) -> bool {
        self.now().are_nothing()
    }

    /// Whether it may run at once on the CPU that it belongs to.
    #[must_use]
    #[inline(always)]
    pub fn may_run_at_home(&self) -> bool {
        self.now().allow_running_at_home()
    }

    /// Whether it can run nowhere but on the CPU that it belongs to.
    #[must_use]
    #[inline(always)]
    pub fn is_pinned(&self) -> bool {
        self.0.load(Ordering::SeqCst) & PLACEMENT == 0
    }

    /// Whether any CPU may choose another one for it when it becomes ready.
    #[must_use]
    #[inline(always)]
    pub fn may_leave_home(&self) -> bool {
        let word = self.0.load(Ordering::SeqCst);
        word & PLACEMENT != 0 && word & AT_HOME == 0
    }

    /// Whether it may run on several CPUs.
    #[must_use]
    pub fn is_migratable(&self) -> bool {
        self.has(ThreadFlag::Migratable)
    }

    /// Whether it may not run on the CPU that it belongs to.
    #[must_use]
    pub fn is_misplaced(&self) -> bool {
        self.has(ThreadFlag::Misplaced)
    }

    /// Whether it is to stop.
    #[must_use]
    pub fn is_stop_wanted(&self) -> bool {
        self.has(ThreadFlag::Stop)
    }

    /// Sets whether it is to stop.
    pub fn want_stop(&self, wanted: bool) {
        self.put(ThreadFlag::Stop, wanted);
    }

    /// Whether its deadline ends its wait in [`crate::ipc`].
    #[must_use]
    pub fn is_wait_limited(&self) -> bool {
        self.has(ThreadFlag::Limit)
    }

    /// Its deadline does from now on.
    pub fn limit_wait(&self) {
        self.put(ThreadFlag::Limit, true);
    }

    /// Its deadline has come. Answers whether it means anything: `false` if the limit is void.
    #[must_use]
    pub fn mark_overdue(&self) -> bool {
        let before = self.0.fetch_or(ThreadFlag::Overdue as u64, Ordering::SeqCst);
        before & ThreadFlag::VoidLimit as u64 == 0
    }

    /// Whether its deadline has come in the wait that it limits.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        let marks = ThreadFlag::Overdue as u64 | ThreadFlag::VoidLimit as u64;
        self.0.load(Ordering::SeqCst) & marks == ThreadFlag::Overdue as u64
    }

    /// The limit of its wait means nothing any more, if there is one. Only by its owner.
    pub fn void_limit(&self) {
        if self.is_wait_limited() {
            self.0.fetch_or(ThreadFlag::VoidLimit as u64, Ordering::SeqCst);
        }
    }

    /// Its wait is not limited any more, and it is in no timer list. On the CPU of that list.
    pub fn limit_is_over(&self) {
        let marks = ThreadFlag::Limit as u64 | ThreadFlag::Overdue as u64 | ThreadFlag::VoidLimit as u64;
        if self.0.load(Ordering::SeqCst) & marks != 0 {
            self.0.fetch_and(!marks, Ordering::SeqCst);
        }
    }

    /// Sets or clears a reason.
    pub fn put(&self, reason: ThreadFlag, present: bool) {
        if present {
            self.0.fetch_or(reason as u64, Ordering::SeqCst);
        } else if self.has(reason) {
            self.0.fetch_and(!(reason as u64), Ordering::SeqCst);
        }
    }

    fn has(&self, reason: ThreadFlag) -> bool {
        self.0.load(Ordering::SeqCst) & reason as u64 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::{ThreadFlag, ThreadFlags};
    use percpu::CpuIndex;

    #[test]
    fn reasons_and_the_cpu_do_not_disturb_each_other() {
        let flags = ThreadFlags::new(CpuIndex::new(7));
        assert!(flags.is_nothing() && flags.now().are_plain_on(7) && !flags.now().are_plain_on(8));
        flags.want_stop(true);
        flags.limit_wait();
        flags.set_cpu(CpuIndex::new(9));
        assert!(flags.is_stop_wanted() && flags.is_wait_limited() && flags.cpu() == CpuIndex::new(9));
        flags.want_stop(false);
        assert!(!flags.is_stop_wanted() && flags.is_wait_limited() && !flags.is_nothing());
        flags.limit_is_over();
        flags.limit_is_over();
        assert!(flags.is_nothing() && flags.now().are_plain_on(9));
        flags.put(ThreadFlag::FloatingPoint, true);
        assert!(flags.is_nothing() && !flags.now().are_plain_on(9) && flags.has_state());
        flags.put(ThreadFlag::FloatingPoint, false);
        assert!(!flags.has_state());
        flags.put(ThreadFlag::DebugRegisters, true);
        assert!(flags.is_nothing() && !flags.now().are_plain_on(9) && flags.has_state());
        assert!(flags.is_pinned() && !flags.may_leave_home());
    }

    #[test]
    fn a_limit_that_is_void_is_never_overdue_in_whichever_order_both_come() {
        let flags = ThreadFlags::new(CpuIndex::new(2));
        flags.void_limit();
        assert!(flags.is_nothing(), "there is no limit that could be void");
        flags.limit_wait();
        assert!(flags.mark_overdue() && flags.is_overdue());
        flags.void_limit();
        assert!(!flags.is_overdue());
        flags.limit_is_over();
        assert!(flags.is_nothing() && flags.now().are_plain_on(2));
        flags.limit_wait();
        flags.void_limit();
        assert!(!flags.mark_overdue() && !flags.is_overdue() && !flags.may_run_at_home());
        flags.limit_is_over();
        assert!(flags.now().are_plain_on(2));
    }

    #[test]
    fn who_is_migratable_may_run_at_once_where_it_is_and_who_is_misplaced_may_not() {
        let flags = ThreadFlags::new(CpuIndex::new(3));
        flags.put(ThreadFlag::Migratable, true);
        assert!(!flags.is_nothing() && !flags.is_pinned() && !flags.now().are_plain_on(3));
        assert!(flags.may_run_at_home() && flags.may_leave_home());
        flags.put(ThreadFlag::Misplaced, true);
        assert!(!flags.may_run_at_home() && flags.may_leave_home());
        flags.put(ThreadFlag::Migratable, false);
        assert!(!flags.may_run_at_home() && flags.may_leave_home() && !flags.is_pinned());
        for reason in [ThreadFlag::Limit, ThreadFlag::Stop] {
            flags.put(reason, true);
            assert!(!flags.may_leave_home());
            flags.put(reason, false);
        }
        flags.put(ThreadFlag::Misplaced, false);
        assert!(flags.is_nothing() && flags.is_pinned());
    }
}
