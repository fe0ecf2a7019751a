//! A second look, by other means, whether threads wait while CPUs sleep.

use core::cell::Cell;

use crate::cpu::{self, IPI_TARGET, ThisCpu};
use crate::memory::LOADED_ROOT;
use crate::sched::per_cpu::{AUDIT, COUNTS, REQUESTS, RUN_QUEUE};
use crate::thread::migratable::is_any_migratable;

/// How many CPUs are looked at.
const MOST_LOOKED_AT: usize = 8;
/// How many ready threads are looked at.
const THREADS_LOOKED_AT: usize = 8;

/// What a CPU remembers from one look to the next.
#[derive(Debug)]
pub struct ImbalanceCheck {
    /// How often in a row a thread waited here while a CPU where it may run slept.
    in_a_row: Cell<u64>,
    /// Where the next look begins.
    next: Cell<usize>,
}

impl ImbalanceCheck {
    /// Nothing was seen yet.
    pub(in crate::sched) const fn new() -> Self {
        Self { in_a_row: Cell::new(0), next: Cell::new(0) }
    }
}

/// A slice has ended here: if threads that may run elsewhere wait, looks whether one of the next CPUs sleeps and has nothing
/// on its way to it. It asks no bit of the masks, but the CPUs themselves. The most often that this was so in a row is
/// kept.
#[cold]
pub fn imbalance_check(cpu: &ThisCpu) {
    if !is_any_migratable() {
        return;
    }
    let all = cpu::all();
    let state = AUDIT.of(cpu);
    let first = state.next.get();
    state.next.set((first + MOST_LOOKED_AT) % all.len().max(1));
    let sleeps = (0..all.len().min(MOST_LOOKED_AT)).any(|step| {
        let other = all[(first + step) % all.len()];
        let nothing_comes = || REQUESTS.of(other).has_no_arrivals() && IPI_TARGET.of(other).pending.is_empty();
        let wanted = || {
            let may_go =
                |thread: &crate::thread::Thread| thread.flags().is_migratable() && thread.may_run_on(other.index());
            RUN_QUEUE.of(cpu).has_one(THREADS_LOOKED_AT, may_go)
        };
        other.index() != cpu.index()
            && other.is_online()
            && LOADED_ROOT.of(other).is_idle()
            && nothing_comes()
            && wanted()
    });
    let in_a_row = if sleeps { state.in_a_row.get() + 1 } else { 0 };
    state.in_a_row.set(in_a_row);
    COUNTS.of(cpu).note_waited_beside_idle(in_a_row);
}
