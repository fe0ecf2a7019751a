//! The CPU that a thread belongs to, and those that it may belong to.

use alloc::boxed::Box;

use gatehouse_core::sched::Affinity;
use percpu::CpuIndex;

use super::migratable::{migratable_begins, migratable_ends};
use super::{Thread, ThreadFlag};

impl Thread {
    /// Calls `look` with the CPUs that it may run on.
    pub fn with_affinity<R>(&self, look: impl FnOnce(&Affinity) -> R) -> R {
        match &*self.affinity.lock() {
            Some(affinity) => look(affinity),
            None => look(&Affinity::One(self.cpu())),
        }
    }

    /// Whether it may run on a CPU.
    #[must_use]
    pub fn may_run_on(&self, cpu: CpuIndex) -> bool {
        self.with_affinity(|affinity| affinity.contains(cpu))
    }

    /// Says on which CPUs it may run. Where it is, is for its owner to change: see `sched::set_affinity`.
    pub fn set_affinity(&self, affinity: Box<Affinity>) {
        let _before = {
            let mut own = self.affinity.lock();
            self.note_migratable(affinity.is_migratable());
            self.flags().put(ThreadFlag::Misplaced, !affinity.contains(self.cpu()));
            own.replace(affinity)
        };
    }

    /// Assigns it to a CPU that `choose` picks from those that it may run on. Only by its owner, before it is handed over.
    /// Answers the CPU.
    pub fn choose_cpu(&self, choose: impl FnOnce(&Affinity) -> CpuIndex) -> CpuIndex {
        let own = self.affinity.lock();
        let pinned = Affinity::One(self.cpu());
        let affinity = own.as_deref().unwrap_or(&pinned);
        let cpu = choose(affinity);
        let allowed = affinity.contains(cpu);
        if cpu != self.cpu() {
            self.set_cpu(cpu);
        }
        self.flags().put(ThreadFlag::Misplaced, !allowed);
        cpu
    }

    /// Makes it a thread of this CPU and of no other. Only by its owner, before it is handed over.
    pub fn root_at(&self, cpu: CpuIndex) {
        let _before = {
            let mut own = self.affinity.lock();
            self.note_migratable(false);
            self.set_cpu(cpu);
            self.flags().put(ThreadFlag::Misplaced, false);
            own.take()
        };
    }

    /// It is going.
    #[inline(always)]
    pub(super) fn ceases_to_be_migratable(&self) {
        if self.flags().is_migratable() {
            migratable_ends();
        }
    }

    /// Under the lock of its affinity.
    fn note_migratable(&self, migratable: bool) {
        match (self.flags().is_migratable(), migratable) {
            (false, true) => migratable_begins(),
            (true, false) => migratable_ends(),
            _ => {}
        }
        self.flags().put(ThreadFlag::Migratable, migratable);
    }
}
