//! Waits that end at a deadline: for signals, and for fault handlers.
//!
//! Such a thread is in its CPU's timer list besides the place that owns it. The flag that says so belongs to that CPU, which
//! alone takes it out of the list: when the deadline comes, or when the thread comes back to become ready. A deadline that
//! comes while somebody has the thread in hands marks it as overdue. A deadline belongs to one wait: where that ends, on
//! another CPU, without the thread becoming ready, the limit is void, and nothing comes of it later.

use alloc::sync::Arc;

use gatehouse_abi::Error;

use super::cancel::{cancel_again, take_out, take_out_overdue};
use crate::arch::{TrapFrame as _, ticks};
use crate::clock::clock;
use crate::cpu::ThisCpu;
use crate::hardware_timer::arm;
use crate::program;
use crate::sched::{self, MessageHooks, Next, TIMERS};
use crate::thread::{OffCpu, Thread, Wait};

/// What messages do about threads that wait for one: for the start, which hands it down.
pub const HOOKS: MessageHooks = MessageHooks { stop_waiting, time_out, cancel_again };

/// Limits the wait that the running thread, or one that has just left this CPU, is about to begin.
pub(super) fn limit_wait(cpu: &ThisCpu, thread: &Arc<Thread>, nanoseconds: u64) {
    thread.flags().limit_wait();
    thread.set_deadline(ticks().saturating_add(clock().ticks_in(nanoseconds)));
    arm(cpu, thread.deadline());
    TIMERS.of(cpu).insert(Arc::clone(thread));
}

/// Makes a thread stop waiting; `false` if somebody else has it by now and is waking it.
#[must_use]
fn stop_waiting(thread: &Thread) -> bool {
    // The caller's reference owns it from now on.
    take_out(thread).is_some()
}

/// A limited wait did not begin, or is over, while the thread is on the CPU where it would have been limited.
pub(super) fn lift_limit(cpu: &ThisCpu, thread: &Thread) {
    drop(TIMERS.of(cpu).remove(thread));
    thread.flags().limit_is_over();
}

/// The deadline of a wait has come; the thread has just left the timer list.
fn time_out(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    // The mark comes before the look: whoever has the thread in hands, to let it wait for the reply that is limited, looks for the
    // mark when it does. Whoever has it to wake it sends it here, for as long as it is marked.
    // Whether it is still the wait that was limited is asked with all waits held.
    if !thread.flags().mark_overdue() || take_out_overdue(&thread).is_none() {
        return Next::Stay;
    }
    thread.flags().limit_is_over();
    match thread.wait() {
        Wait::ToSendFault | Wait::ForFaultReply => {
            program::end_unanswered(cpu, thread);
            Next::Choose
        }
        _ => {
            // SAFETY: it waited, and has just been taken from where it did.
            let mut off_cpu = unsafe { OffCpu::new(&thread) };
            off_cpu.frame_mut().set_system_call_result(Error::WouldBlock.to_register());
            thread.set_wait(Wait::Nothing);
            sched::wake(cpu, thread)
        }
    }
}
