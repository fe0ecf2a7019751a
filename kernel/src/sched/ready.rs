//! How threads become ready, here and elsewhere.

use alloc::sync::Arc;

use smp::ipi::Kind;

use super::per_cpu::{REQUESTS, RUN_QUEUE, TIMERS};
use super::placement::{give, imbalance_check, leave_or_stay, place};
use super::registered::{messages, programs, thread_gone};
use super::slice::start_slice;
use super::suspend::{attend_others, park};
use super::work::note_work;
use super::{Next, detach_current, reap, run_now};
use crate::cpu::{self, ThisCpu};
use crate::ipi::{self, ATTEND, FLUSH, GIVE, PENDING_WORK, REAP, kick};
use crate::thread::Thread;

/// Makes a thread ready on this CPU, to which it belongs.
pub fn enqueue(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    let preempts = cpu.current().is_none_or(|current| current.priority() < thread.priority());
    RUN_QUEUE.of(cpu).push(thread);
    if cpu.current().is_some() {
        // Also for one that is to go first: if the answer is lost on the way, the end of the slice finds it.
        start_slice(cpu);
    }
    if preempts { Next::Choose } else { Next::Stay }
}

/// Makes a thread ready that is on no CPU and in no list, and was never ready before.
pub fn start(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    if thread.flags().is_pinned() { hand_over(cpu, thread) } else { place(cpu, thread) }
}

/// Hands a thread that is on no CPU and in no list to the CPU that it belongs to, which may be this one.
pub fn hand_over(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    if thread.cpu() == cpu.index() {
        return enqueue(cpu, thread);
    }
    hand_over_elsewhere(cpu, thread);
    Next::Stay
}

/// Hands a thread that is on no CPU and in no list to the other CPU that it belongs to.
#[inline(always)]
pub fn hand_over_elsewhere(cpu: &ThisCpu, thread: Arc<Thread>) {
    let Some(block) = cpu::by_index(thread.cpu()) else { unreachable!("threads belong to CPUs that are online") };
    REQUESTS.of(block).put(thread);
    kick(cpu, block, Kind::Reschedule);
}

/// Wakes a thread that waited, on the CPU where it ran last: if it is in that CPU's timer list besides, only that CPU may
/// take it out. If it is not, and may run elsewhere, it goes where nothing runs.
#[inline(always)]
pub fn wake(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    if thread.cpu() == cpu.index() { made_ready(cpu, thread) } else { wake_elsewhere(cpu, thread) }
}

#[inline(never)]
fn wake_elsewhere(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    if thread.flags().may_leave_home() && !thread.is_timed() && !thread.waits_for_program().get() {
        return place(cpu, thread);
    }
    hand_over_elsewhere(cpu, thread);
    Next::Stay
}

/// A thread that arrived or was woken: it leaves the timer list, and runs unless its program is ending.
fn made_ready(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    if thread.is_timed() {
        drop(TIMERS.of(cpu).remove(&thread));
    }
    thread.waits_for_program().set(false);
    if thread.program().is_ending() {
        thread_gone(cpu, thread);
        return Next::Stay;
    }
    if !thread.flags().is_nothing() {
        return attend(cpu, thread);
    }
    enqueue(cpu, thread)
}

/// A thread whose limited wait is over, that is to stop, or that may run elsewhere.
#[cold]
fn attend(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    thread.flags().limit_is_over();
    if !thread.flags().is_stop_wanted() {
        return start(cpu, thread);
    }
    // Nobody's time but this CPU's went into its coming here.
    note_work(cpu, thread.priority());
    park(cpu, thread)
}

/// A thread that another CPU has handed over: if this one idles it runs at once, past the run queue.
#[inline(always)]
fn arrived(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    let is_awaited = cpu.current().is_none() && RUN_QUEUE.of(cpu).is_empty();
    let needs_nothing = thread.flags().is_nothing()
        && !thread.is_timed()
        && !thread.waits_for_program().get()
        && !thread.program().is_ending();
    if is_awaited && needs_nothing { run_now(cpu, thread) } else { made_ready(cpu, thread) }
}

/// Takes in what other CPUs handed over.
pub fn drain_inbox(cpu: &ThisCpu) -> Next {
    let mut next = Next::Stay;
    REQUESTS.of(cpu).take_threads(|thread| next = next.and(arrived(cpu, thread)));
    let pending_work = PENDING_WORK.of(cpu).take();
    if pending_work != 0 {
        next = next.and(run(cpu, pending_work));
    }
    next
}

#[cold]
fn run(cpu: &ThisCpu, pending_work: u64) -> Next {
    if pending_work & FLUSH != 0 {
        ipi::flush_owed(cpu);
    }
    let mut next = if pending_work & REAP != 0 { reap(cpu) } else { Next::Stay };
    if pending_work & ATTEND != 0 {
        next = next.and(attend_others(cpu));
    }
    if pending_work & GIVE != 0 {
        give(cpu);
    }
    next
}

/// A moment has come that a thread waited for; it has just left the timer list.
pub fn deadline_reached(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    if thread.waits_for_program().get() {
        // Else somebody is waking it at this very moment and hands it over.
        return if (programs().time_out)(&thread) { made_ready(cpu, thread) } else { Next::Stay };
    }
    if thread.flags().is_wait_limited() {
        return (messages().time_out)(cpu, thread);
    }
    made_ready(cpu, thread)
}

/// The running thread had its share: others of its priority go first.
#[inline(always)]
pub fn slice_ended(cpu: &ThisCpu) -> Next {
    if RUN_QUEUE.of(cpu).is_empty() { Next::Stay } else { give_way(cpu) }
}

/// The same when others are ready, though they may have a lower priority.
#[inline(never)]
fn give_way(cpu: &ThisCpu) -> Next {
    let next = yield_now(cpu);
    imbalance_check(cpu);
    next
}

/// The running thread goes behind all others of its priority.
#[inline(always)]
pub fn yield_now(cpu: &ThisCpu) -> Next {
    let Some(current) = cpu.current() else { return Next::Choose };
    if RUN_QUEUE.of(cpu).nobody_from(current.priority()) {
        return Next::Stay;
    }
    queue_current(cpu);
    Next::Choose
}

/// The running thread has another priority: those that are above it now go first, and its equals have their turns.
pub fn priority_changed(cpu: &ThisCpu) -> Next {
    let Some(current) = cpu.current() else { return Next::Choose };
    if !RUN_QUEUE.of(cpu).is_empty() {
        start_slice(cpu);
    }
    if RUN_QUEUE.of(cpu).nobody_above(current.priority()) { Next::Stay } else { Next::Choose }
}

/// The running thread goes behind others that are ready.
#[inline(always)]
pub(super) fn queue_current(cpu: &ThisCpu) {
    let Some(thread) = detach_current(cpu) else { return };
    queue_preempted(cpu, thread);
}

/// A thread that ran here goes behind others that are ready, or to a CPU that has nothing to do, if it may run there. All of its
/// state is saved.
#[inline(always)]
pub fn queue_preempted(cpu: &ThisCpu, thread: Arc<Thread>) {
    if thread.flags().is_pinned() {
        RUN_QUEUE.of(cpu).push(thread);
    } else {
        leave_or_stay(cpu, thread);
    }
}
