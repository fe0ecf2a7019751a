//! Giving ready threads away.

use super::place::{claim_any, send};
use super::state::{board, is_idle};
use crate::cpu::ThisCpu;
use crate::thread::Thread;

/// How many ready threads are looked at, those of the highest priority first, to find one that may leave.
const MOST_LOOKED_AT: usize = 64;

/// A CPU without a thread has asked for one: it gets that of the highest priority that may run there, and of those the one
/// that has waited longest.
#[cold]
pub fn give(cpu: &ThisCpu) {
    let remote = cpu.kernel().remote();
    let Some(asker) = remote.placement().take_asker() else { return };
    // With no thread here either, the next choice takes one; for what is left, an idle CPU was looked for when it came.
    if cpu.current().is_none() || !is_idle(asker) {
        return;
    }
    let mut any_roams = false;
    let found = cpu.local().run_queue.take_one(MOST_LOOKED_AT, |thread| {
        let roams = thread.attention().roams();
        any_roams |= roams;
        roams && thread.may_run_on(asker)
    });
    match found {
        Some(thread) => {
            remote.placement().count_given();
            send(cpu, thread, asker);
        }
        None if !any_roams => board().has_no_surplus(cpu.index()),
        None => {}
    }
}

/// Threads that are ready here may be allowed to leave since a moment ago: they go where nothing runs, and the others can be
/// asked for.
pub fn spread(cpu: &ThisCpu) {
    let here = cpu.index();
    let roams = |thread: &Thread| thread.attention().roams();
    if !cpu.local().run_queue.has_one(MOST_LOOKED_AT, roams) {
        return;
    }
    board().has_surplus(here);
    while let Some(target) = claim_any(here) {
        let suits = |thread: &Thread| roams(thread) && thread.may_run_on(target);
        let Some(thread) = cpu.local().run_queue.take_one(MOST_LOOKED_AT, suits) else {
            board().disclaim(target);
            return;
        };
        cpu.kernel().remote().placement().count_placed();
        send(cpu, thread, target);
    }
}
