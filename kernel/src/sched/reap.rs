//! Getting rid of the threads of programs that end.

use gatehouse_core::time::DeadlineTree;
use percpu::CpuIndex;
use smp::ipi::Kind;

use super::per_cpu::{RUN_QUEUE, TIMERS};
use super::registered::{messages, programs, thread_gone};
use super::switch::leave_address_space;
use super::{Next, forget_current};
use crate::clock;
use crate::console;
use crate::cpu::{self, ThisCpu};
use crate::ipi::{self, PENDING_WORK, REAP, kick};
use crate::memory::LOADED_ROOT;
use crate::sync::assert_no_locks_held;
use crate::thread::{Thread, ThreadList, ThreadTimerAdapter};

/// Ends every thread of an ending program that this CPU holds.
pub fn reap(cpu: &ThisCpu) -> Next {
    let ending = |thread: &Thread| thread.program().is_ending();
    let mut ready = ThreadList::default();
    RUN_QUEUE.of(cpu).take_matching(ending, |thread| ready.put(thread));
    let mut next = Next::Stay;
    if cpu.current().is_some_and(ending) {
        forget_current(cpu).into_iter().for_each(|thread| ready.put(thread));
        next = Next::Choose;
    }
    // Those may be in another list besides, so they stay in the order of their deadlines, in a tree of their own.
    let mut timed = DeadlineTree::<Thread, ThreadTimerAdapter>::default();
    TIMERS.of(cpu).take_matching(ending, |thread| timed.insert(thread));
    let mut gone = ThreadList::default();
    while let Some(thread) = ready.take_first().or_else(|| timed.pop_due(u64::MAX)) {
        let owned = match &thread {
            _ if thread.waits_for_program().get() => (programs().stop_waiting)(&thread),
            _ if thread.flags().is_wait_limited() => (messages().stop_waiting)(&thread),
            _ => true,
        };
        if owned {
            gone.put(thread);
        }
    }
    while let Some(thread) = gone.take_first() {
        thread_gone(cpu, thread);
    }
    (messages().cancel_again)(cpu);
    next
}

/// Makes a CPU, if it is another one, reap the threads of ending programs that it holds.
pub fn stop_threads_on(cpu: &ThisCpu, index: CpuIndex) {
    if index != cpu.index()
        && let Some(block) = cpu::by_index(index)
    {
        PENDING_WORK.of(block).ask(REAP);
        kick(cpu, block, Kind::Reschedule);
    }
}

/// Waits until no CPU has the page tables loaded of a program that has no threads any more. `false`: one that is named on the console
/// has not left them in time, and they must be kept back. Some hundred instructions are normal.
///
/// A CPU that hands its running thread over, to another CPU or to whoever will answer it, has the program's tables loaded
/// until it has chosen what runs next. The thread may have ended elsewhere by then.
#[must_use]
pub fn wait_until_left(cpu: &ThisCpu, root: u64) -> bool {
    assert_no_locks_held("waiting until page tables are left");
    if cpu.current().is_none() {
        // This CPU may be on its way out of a program, too: nobody must wait for it meanwhile.
        leave_address_space(cpu);
    }
    let deadline = clock::nanoseconds_since_start().saturating_add(ipi::limit());
    for block in cpu::all().iter().filter(|block| block.index() != cpu.index()) {
        while LOADED_ROOT.of(block).may_use_root(root) {
            // That CPU may be waiting for this one.
            ipi::answer_calls(cpu);
            if clock::nanoseconds_since_start() > deadline {
                console::line(format_args!("CPU {} does not leave the page tables of a program", block.index()));
                return false;
            }
            core::hint::spin_loop();
        }
    }
    true
}
