//! How threads become ready, here and elsewhere.

use alloc::sync::Arc;

use percpu::CpuIndex;
use smp::ipi::Kind;

use super::suspend::{park, park_ready};
use super::{Next, detach_current, poke, reap, run_now};
use crate::cpu::{self, ThisCpu};
use crate::ipc;
use crate::program;
use crate::system_call;
use crate::thread::Thread;
use crate::time;

/// Makes a thread ready on this CPU.
pub fn enqueue(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    let local = cpu.local();
    let preempts = cpu.current().is_none_or(|current| current.priority() < thread.priority());
    local.run_queue.push(thread);
    if cpu.current().is_some() {
        // Also for one that is to go first: if the answer is lost on the way, the end of the slice finds it.
        time::start_slice(cpu);
    }
    if preempts { Next::Choose } else { Next::Stay }
}

/// Hands a thread that is on no CPU and in no list to a CPU, which may be this one.
pub fn hand_over(cpu: &ThisCpu, thread: Arc<Thread>, target: CpuIndex) -> Next {
    if thread.cpu() != target {
        thread.set_cpu(target);
    }
    if target == cpu.index() {
        return enqueue(cpu, thread);
    }
    let Some(block) = cpu::by_index(target) else { unreachable!("callers check that the CPU is online") };
    block.kernel().remote().put(thread);
    poke(cpu, block, Kind::Reschedule);
    Next::Stay
}

/// Hands a thread that is on no CPU and in no list to the other CPU that it belongs to.
#[inline(always)]
pub fn hand_over_elsewhere(cpu: &ThisCpu, thread: Arc<Thread>) {
    let Some(block) = cpu::by_index(thread.cpu()) else { unreachable!("threads belong to CPUs that are online") };
    block.kernel().remote().put(thread);
    poke(cpu, block, Kind::Reschedule);
}

/// Wakes a thread that waited, on the CPU where it ran last: if it is in that CPU's timer list besides, only that CPU may
/// take it out.
pub fn wake(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    let target = thread.cpu();
    if target == cpu.index() {
        return made_ready(cpu, thread);
    }
    hand_over(cpu, thread, target)
}

/// A thread that arrived or was woken: it leaves the timer list, and runs unless its program is ending.
fn made_ready(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    if thread.is_timed() {
        drop(cpu.local().timers.remove(&thread));
    }
    thread.waits_for_program().set(false);
    if thread.program().is_ending() {
        program::thread_gone(cpu, thread);
        return Next::Stay;
    }
    if !thread.attention().is_nothing() {
        return attend(cpu, thread);
    }
    enqueue(cpu, thread)
}

/// A thread whose limited wait is over, or that is to stop.
#[cold]
fn attend(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    thread.attention().limit_wait(false);
    if thread.attention().is_stop_wanted() { park(cpu, thread) } else { enqueue(cpu, thread) }
}

/// A thread that another CPU has handed over: if this one idles it runs at once, past the run queue.
#[inline(always)]
fn arrived(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    let is_awaited = cpu.current().is_none() && cpu.local().run_queue.is_empty();
    let needs_nothing = thread.attention().is_nothing()
        && !thread.is_timed()
        && !thread.waits_for_program().get()
        && !thread.program().is_ending();
    if is_awaited && needs_nothing { run_now(cpu, thread) } else { made_ready(cpu, thread) }
}

/// Takes in what other CPUs handed over.
pub fn drain_inbox(cpu: &ThisCpu) -> Next {
    let mut next = Next::Stay;
    cpu.kernel().remote().take_threads(|thread| next = next.and(arrived(cpu, thread)));
    if cpu.kernel().remote().take_reap() {
        next = next.and(reap(cpu));
    }
    if cpu.kernel().remote().parking().is_asked() {
        next = next.and(park_as_asked(cpu));
    }
    next
}

#[cold]
fn park_as_asked(cpu: &ThisCpu) -> Next {
    cpu.kernel().remote().parking().serve(|| park_ready(cpu)).unwrap_or(Next::Stay)
}

/// A moment has come that a thread waited for; it has just left the timer list.
pub fn deadline_reached(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    if thread.waits_for_program().get() {
        return match program::stop_waiting(&thread) {
            // It still waited: the call is over, without a result.
            true => {
                system_call::time_out(&thread);
                made_ready(cpu, thread)
            }
            // Somebody else is waking it at this very moment and hands it over.
            false => Next::Stay,
        };
    }
    if thread.attention().is_wait_limited() {
        return ipc::time_out(cpu, thread);
    }
    made_ready(cpu, thread)
}

/// The running thread had its share: others of its priority go first.
#[inline(always)]
pub fn slice_ended(cpu: &ThisCpu) -> Next {
    if cpu.local().run_queue.highest().is_some() { yield_now(cpu) } else { Next::Stay }
}

/// The running thread goes behind all others of its priority.
pub fn yield_now(cpu: &ThisCpu) -> Next {
    let local = cpu.local();
    let Some(current) = cpu.current() else { return Next::Choose };
    let waiting = local.run_queue.highest();
    if waiting.is_none_or(|priority| priority < current.priority()) {
        return Next::Stay;
    }
    if let Some(thread) = detach_current(cpu) {
        local.run_queue.push(thread);
    }
    Next::Choose
}

/// The running thread has another priority: those that are above it now go first, and its equals have their turns.
pub fn priority_changed(cpu: &ThisCpu) -> Next {
    let (waiting, current) = (cpu.local().run_queue.highest(), cpu.current().map(Thread::priority));
    if waiting.is_some() {
        time::start_slice(cpu);
    }
    if waiting > current { Next::Choose } else { Next::Stay }
}
