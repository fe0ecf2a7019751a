//! Getting rid of the threads of programs that end.

use alloc::vec::Vec;

use smp::ipi::Kind;

use super::{Next, forget_current, poke};
use crate::cpu::{self, ThisCpu};
use crate::program::{self, Program};
use crate::thread::Thread;

/// Ends every thread of an ending program that this CPU holds.
pub fn reap(cpu: &ThisCpu) -> Next {
    let local = cpu.local();
    let ending = |thread: &Thread| thread.program().is_ending();
    let mut gone = Vec::new();
    local.run_queue.borrow_mut().take_matching(ending, |thread| gone.push(thread));
    local.timers.borrow_mut().take_matching(ending, |thread| gone.push(thread));
    let mut next = Next::Stay;
    if cpu.current().is_some_and(ending) {
        gone.extend(forget_current(cpu));
        next = Next::Choose;
    }
    gone.retain(|thread| !thread.waits_for_program().get() || program::stop_waiting(thread));
    gone.into_iter().for_each(|thread| program::thread_gone(cpu, thread));
    next
}

/// Makes all other CPUs that hold threads of the program reap them.
pub fn stop_threads_elsewhere(cpu: &ThisCpu, program: &Program) {
    program.for_each_cpu(|index| {
        if index != cpu.index()
            && let Some(block) = cpu::by_index(index)
        {
            block.kernel().remote().ask_to_reap();
            poke(cpu, block, Kind::Reschedule);
        }
    });
}
