//! Threads that look for a CPU, and CPUs that look for a thread.

use alloc::sync::Arc;

use percpu::CpuIndex;
use smp::ipi::Kind;

use crate::cpu::{self, ThisCpu};
use crate::ipi::{GIVE, PENDING_WORK, kick};
use crate::sched::per_cpu::{COUNTS, REQUESTS, RUN_QUEUE};
use crate::sched::ready::hand_over_elsewhere;
use crate::sched::registered::thread_gone;
use crate::sched::suspend::park;
use crate::sched::{Next, enqueue};
use crate::thread::Thread;
use crate::thread::migratable::{is_idle, load_masks};
use gatehouse_core::sched::placement::{Situation, choose};

/// Whether a thread that becomes ready here could run at once.
fn is_free(cpu: &ThisCpu) -> bool {
    cpu.current().is_none() && RUN_QUEUE.of(cpu).is_empty()
}

/// Makes a thread ready that is on no CPU and in no list, and that is not bound to its CPU: here, or on another CPU.
#[cold]
pub fn place(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    let here = cpu.index();
    let here_is_free = is_free(cpu);
    let mut claimed = false;
    let target = thread.choose_cpu(|affinity| {
        let situation = Situation { last: thread.cpu(), here, here_is_free };
        let choice = choose(affinity, load_masks(), situation, is_idle);
        claimed = choice.claimed;
        choice.cpu
    });
    if target != here {
        if claimed {
            COUNTS.of(cpu).count_placed();
        }
        hand_over_elsewhere(cpu, thread);
        return Next::Stay;
    }
    if !here_is_free {
        return leave_or(cpu, thread, settle);
    }
    settle(cpu, thread)
}

/// A thread that ran here and goes behind others: it goes on at once where nothing runs, or is queued.
#[cold]
#[inline(never)]
pub fn leave_or_stay(cpu: &ThisCpu, thread: Arc<Thread>) {
    if thread.flags().is_misplaced() {
        // Not here, so nothing changes here.
        let _elsewhere = place(cpu, thread);
        return;
    }
    let _stays = leave_or(cpu, thread, |cpu, thread| {
        RUN_QUEUE.of(cpu).push(thread);
        Next::Stay
    });
}

/// Sends a thread, for which there is no room here at once, to an idle CPU, or lets it `stay`.
fn leave_or(cpu: &ThisCpu, thread: Arc<Thread>, stay: impl FnOnce(&ThisCpu, Arc<Thread>) -> Next) -> Next {
    let here = cpu.index();
    if !thread.flags().is_migratable() {
        return stay(cpu, thread);
    }
    // Said first: a CPU that is not found idle finds this.
    load_masks().note_overloaded(here);
    let mut found = None;
    let _target = thread.choose_cpu(|affinity| {
        found = load_masks().claim_any(here, |cpu| cpu != here && affinity.contains(cpu), is_idle);
        found.unwrap_or(here)
    });
    if found.is_none() {
        return stay(cpu, thread);
    }
    COUNTS.of(cpu).count_placed();
    hand_over_elsewhere(cpu, thread);
    Next::Stay
}

/// Makes a thread of this CPU ready here. What stands against it may have come while it belonged to another one.
fn settle(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    if thread.program().is_ending() {
        thread_gone(cpu, thread);
        return Next::Stay;
    }
    if thread.flags().is_stop_wanted() { park(cpu, thread) } else { enqueue(cpu, thread) }
}

/// This CPU has nothing to run: it says so, and asks one that may have a thread for it. That one answers by handing a thread
/// over.
#[cold]
#[inline(never)]
pub fn look_for_work(cpu: &ThisCpu) {
    let here = cpu.index();
    let mut asked = None;
    load_masks().became_idle(here, |other| {
        asked = cpu::by_index(other).filter(|asked| REQUESTS.of(*asked).ask(here));
        asked.is_some()
    });
    if let Some(block) = asked {
        COUNTS.of(cpu).count_asked();
        PENDING_WORK.of(block).ask(GIVE);
        kick(cpu, block, Kind::Reschedule);
    }
}

/// Hands a ready thread of this CPU's to another one, which is idle.
pub(super) fn send(cpu: &ThisCpu, thread: Arc<Thread>, target: CpuIndex) {
    // It may have been forbidden to run there since it was chosen: then it is sent on.
    thread.choose_cpu(|_| target);
    hand_over_elsewhere(cpu, thread);
}

/// An idle CPU that suits, claimed.
pub(super) fn claim_any(here: CpuIndex, mut suits: impl FnMut(CpuIndex) -> bool) -> Option<CpuIndex> {
    load_masks().claim_any(here, |cpu| cpu != here && suits(cpu), is_idle)
}
