//! Giving ready threads away.

use super::place::{claim_any, send};
use crate::cpu::ThisCpu;
use crate::ipi::{GIVE, PENDING_WORK};
use crate::sched::Worker;
use crate::sched::per_cpu::{COUNTS, REQUESTS, RUN_QUEUE};
use crate::thread::Thread;
use crate::thread::migratable::{is_idle, load_masks};

/// How many ready threads are looked at, those of the highest priority first, to find one that may leave.
const MOST_LOOKED_AT: usize = 64;

/// A CPU without a thread has asked for one: it gets that of the highest priority that may run there, and of those the one
/// that has waited longest. To look for it is work like any other that is done here for threads that are not urgent.
#[cold]
pub fn give(cpu: &ThisCpu) {
    let requests = REQUESTS.of(cpu);
    let mut worker = Worker::new(cpu);
    if worker.floor() != Some(0) {
        // Later: no other asker comes in between.
        PENDING_WORK.of(cpu).ask(GIVE);
        return;
    }
    worker.spend(0);
    let Some(asker) = requests.take_asker() else { return };
    // With no thread here either, the next choice takes one; for what is left, an idle CPU was looked for when it came.
    if cpu.current().is_none() || !is_idle(asker) {
        return;
    }
    let mut any_migratable = false;
    let found = RUN_QUEUE.of(cpu).take_one(MOST_LOOKED_AT, |thread| {
        let migratable = thread.flags().is_migratable();
        any_migratable |= migratable;
        migratable && thread.may_run_on(asker)
    });
    match found {
        Some(thread) => {
            COUNTS.of(cpu).count_given();
            send(cpu, thread, asker);
        }
        None if !any_migratable => load_masks().note_not_overloaded(cpu.index()),
        None => {}
    }
}

/// A thread of this CPU may be allowed to leave since a moment ago: if it is ready, it goes where nothing runs, or can be asked
/// for.
pub fn let_leave(cpu: &ThisCpu, thread: &Thread) {
    if !thread.flags().is_migratable() || !RUN_QUEUE.of(cpu).has(thread) {
        return;
    }
    let here = cpu.index();
    load_masks().note_overloaded(here);
    let Some(target) = claim_any(here, |other| thread.may_run_on(other)) else { return };
    match RUN_QUEUE.of(cpu).remove(thread) {
        Some(thread) => {
            COUNTS.of(cpu).count_placed();
            send(cpu, thread, target);
        }
        None => load_masks().release(target),
    }
}
