//! Ends programs at their breakpoints, so that a parent learns of them like of other traps.
//!
//! Without a fault handler a breakpoint pauses the thread and ends nothing. The judge is the debugger of such programs:
//! a thread that answers every message with the reply that shuts the program down, with the trap as the cause.

use crate::raw::message::{
    Suspended, Utcb, copy_capability, create_endpoint, delete_capability, reply_receive, resume_thread,
    set_fault_handler, spawn_suspended,
};
use gatehouse_runtime::abi::{Error, MessageTag, REPLY_KILL, SLOT_NONE, rights};
use gatehouse_runtime::thread::Thread;

/// A thread that ends whatever stops at a breakpoint.
#[derive(Clone, Copy, Debug)]
pub struct BreakpointJudge {
    endpoint: u64,
}

impl BreakpointJudge {
    /// Starts the thread, on that CPU. It stays until this program ends.
    ///
    /// # Errors
    /// What CreateEndpoint and [`Thread::spawn`] answer.
    pub fn new(cpu: u64) -> Result<Self, Error> {
        let endpoint = create_endpoint()?;
        // The table of capabilities grows here to what `spawn` needs, and not between two comparisons of memory in use.
        let slots = [(); 2].map(|()| copy_capability(endpoint, rights::SEND, 0, SLOT_NONE));
        for slot in slots {
            delete_capability(slot?)?;
        }
        let _runs_for_ever = Thread::spawn(judge, endpoint, cpu)?;
        Ok(Self { endpoint })
    }

    /// Starts a program on a CPU; answers its number.
    ///
    /// # Errors
    /// What SpawnProgram answers.
    pub fn spawn(&self, name: &str, argument: u64, cpu: u64, utcb: &Utcb) -> Result<u64, Error> {
        let Suspended { number, program, thread } = spawn_suspended(name, argument, cpu, utcb)?;
        set_fault_handler(thread, self.endpoint)?;
        resume_thread(thread)?;
        delete_capability(thread)?;
        delete_capability(program)?;
        Ok(number)
    }
}

fn judge(endpoint: u64) -> u64 {
    while reply_receive(endpoint, MessageTag::new(REPLY_KILL, 0), [0; 4]).is_ok() {}
    1
}
