//! Threads that stand still: what a debugger may look into and change.

use alloc::sync::Arc;

use crate::ipc;
use crate::thread::{OffCpu, Thread};

/// Shows `target` while it stands still and nobody else can let it go on: it was not resumed yet, it is paused, its fault
/// waits for its handler or the reply is saved, or `caller`, the running thread, owes it the reply to its fault. `None` if it does not stand
/// still, or if another thread owes it that reply.
pub fn with_stopped<Answer>(
    caller: &Thread,
    target: &Arc<Thread>,
    show: impl FnOnce(OffCpu<'_>) -> Answer,
) -> Option<Answer> {
    let life = target.program().life();
    if let Some(stopped) = life.suspended.find(target.number()).or_else(|| life.paused.find(target.number())) {
        // SAFETY: the life is locked, under which it would be taken out of its list to run.
        return Some(show(unsafe { OffCpu::new(stopped) }));
    }
    drop(life);
    if core::ptr::eq(caller.reply_right().client(), &raw const **target) {
        return ipc::with_owed_fault(caller, target, show);
    }
    ipc::with_waiting_fault(target, show)
}
