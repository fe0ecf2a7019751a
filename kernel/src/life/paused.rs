//! Threads that stand at a breakpoint that nobody handles.
//!
//! The seed of this policy: a breakpoint pauses the thread, and `clear_breakpoint` lets it go on. The program owns its
//! paused threads, so that whoever clears, attaches or ends finds them under one lock. To pause allocates nothing and
//! cannot fail.

use alloc::sync::Arc;

use super::end::thread_gone;
use crate::cpu::ThisCpu;
use crate::program::Program;
use crate::sched::{self, Next};
use crate::thread::{Thread, Wait};

/// Takes the running thread off the CPU, to stand where it is until somebody clears its breakpoint. `None`, and it still
/// runs, if it is the last thread of the first program that could: nobody would be left who could clear anything.
#[must_use]
pub fn pause_current(cpu: &ThisCpu) -> Option<Next> {
    let program = Arc::clone(cpu.current()?.program());
    let mut life = program.life();
    if program.is_first() && life.paused.count() + 1 >= life.threads.len() {
        return None;
    }
    let thread = sched::detach_current(cpu)?;
    thread.set_wait(Wait::Paused);
    if life.end.is_none() {
        life.paused.put(thread);
    } else {
        drop(life);
        thread_gone(cpu, thread);
    }
    Some(Next::Choose)
}

/// Pauses a thread that is off every CPU and that the caller owns. One whose program is ending ends instead.
pub(super) fn pause(cpu: &ThisCpu, thread: Arc<Thread>) {
    let program = Arc::clone(thread.program());
    thread.set_wait(Wait::Paused);
    let mut life = program.life();
    if life.end.is_none() {
        life.paused.put(thread);
        return;
    }
    drop(life);
    thread_gone(cpu, thread);
}

/// Lets a paused thread go on; `None` if it is not paused.
#[must_use]
pub fn unpause(cpu: &ThisCpu, program: &Program, number: u64) -> Option<Next> {
    let thread = program.life().paused.take(number)?;
    thread.set_wait(Wait::Nothing);
    Some(sched::wake(cpu, thread))
}
