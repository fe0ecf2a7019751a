//! The fast switch: from a thread that blocks to the one that it has just made ready.

use alloc::sync::Arc;

use crate::cpu::ThisCpu;
use crate::sched::{self, Next};
use crate::thread::{Thread, Wait};

/// Takes the running thread off the CPU, to wait.
#[inline(always)]
pub(super) fn block_current(cpu: &ThisCpu, wait: Wait) -> Option<Arc<Thread>> {
    let thread = sched::detach_current(cpu)?;
    thread.set_wait(wait);
    Some(thread)
}

/// A thread is ready, and no thread is on this CPU: runs it at once if it belongs here and nobody ready is more urgent;
/// else puts it where it belongs.
#[inline(always)]
pub(super) fn run_instead(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    thread.set_wait(Wait::Nothing);
    if thread.cpu() == cpu.index()
        && sched::nobody_above(cpu, thread.priority())
        && thread.attention().may_run_at_home()
    {
        return sched::run_now(cpu, thread);
    }
    let _woken = sched::wake(cpu, thread);
    Next::Choose
}
