//! What the scheduler has done by those above who made a thread wait, or who are to know that it is gone. They say so once, at the
//! start; all of it is rare.

use alloc::sync::Arc;

use spin::Once;

use super::Next;
use crate::cpu::ThisCpu;
use crate::thread::Thread;

/// What programs do about their threads.
#[derive(Debug)]
pub struct ProgramHooks {
    /// A thread is off every CPU and list for good.
    pub gone: fn(&ThisCpu, Arc<Thread>),
    /// Takes a thread out of its wait for a program; `false` if somebody else has it by now and is waking it.
    pub stop_waiting: fn(&Thread) -> bool,
    /// The same, since its deadline has come.
    pub time_out: fn(&Thread) -> bool,
}

/// What messages do about threads that wait for one.
#[derive(Debug)]
pub struct MessageHooks {
    /// Takes a thread out of a wait with a limit; `false` if somebody else has it by now and is waking it.
    pub stop_waiting: fn(&Thread) -> bool,
    /// The deadline of such a wait has come; the thread has just left the timer list.
    pub time_out: fn(&ThisCpu, Arc<Thread>) -> Next,
    /// Threads of ending programs may have been on their way into a wait when it was looked for them.
    pub cancel_again: fn(&ThisCpu),
}

static PROGRAMS: Once<ProgramHooks> = Once::new();
static MESSAGES: Once<MessageHooks> = Once::new();

/// Says what is done, once, before any thread runs.
pub fn install_hooks(programs: ProgramHooks, messages: MessageHooks) {
    PROGRAMS.call_once(|| programs);
    MESSAGES.call_once(|| messages);
}

/// A thread is off every CPU and list for good: it is freed, and with the last one the program, when the handler is over.
pub fn thread_gone(cpu: &ThisCpu, thread: Arc<Thread>) {
    (programs().gone)(cpu, thread);
}

/// What programs do.
pub(super) fn programs() -> &'static ProgramHooks {
    PROGRAMS.get().expect("said before any thread runs")
}

/// What messages do.
pub(super) fn messages() -> &'static MessageHooks {
    MESSAGES.get().expect("said before any thread runs")
}
