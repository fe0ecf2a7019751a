//! Who goes on after a message: the slow path's part of it.

use alloc::sync::Arc;

use crate::cpu::ThisCpu;
use crate::sched::{self, Next, Path};
use crate::thread::{Thread, Wait};

/// Takes the running thread off the CPU, to wait.
#[inline(always)]
pub(super) fn block_current(cpu: &ThisCpu, wait: Wait) -> Option<Arc<Thread>> {
    let thread = sched::detach_current(cpu)?;
    thread.set_wait(wait);
    Some(thread)
}

/// A thread that waited, if there is one, is ready.
#[inline(always)]
pub(super) fn make_ready(cpu: &ThisCpu, thread: Option<Arc<Thread>>) -> Next {
    let Some(thread) = thread else { return Next::Stay };
    thread.set_wait(Wait::Nothing);
    sched::wake(cpu, thread)
}

/// A thread is ready, and no thread is on this CPU: runs it at once if it belongs here and nobody ready is more urgent;
/// else puts it where it belongs.
#[inline(always)]
pub(super) fn run_instead(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    thread.set_wait(Wait::Nothing);
    if matches!(sched::path_to(cpu, &thread), Some(Path::Direct | Path::WithState)) {
        return sched::run_now(cpu, thread);
    }
    let _woken = sched::wake(cpu, thread);
    Next::Choose
}
