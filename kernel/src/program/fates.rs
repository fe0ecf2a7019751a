//! What becomes of threads and programs where a message or a page is lost: asked for here, done by who stands above and knows all
//! that a program has. All of it is rare.

use alloc::sync::Arc;

use gatehouse_abi::PageLoss;
use spin::Once;

use super::Program;
use crate::cpu::ThisCpu;
use crate::thread::Thread;

/// What is done; each of the threads is owned by the caller.
#[derive(Debug)]
pub struct Fates {
    /// A thread waits for somebody to handle its fault, and nobody will: its program ends.
    pub end_waiting: fn(&ThisCpu, Arc<Thread>),
    /// A thread's handler did not reply in time: its program ends.
    pub end_unanswered: fn(&ThisCpu, Arc<Thread>),
    /// A thread off every CPU stands at a breakpoint that nobody handles: it is paused.
    pub pause: fn(&ThisCpu, Arc<Thread>),
    /// A page of a program is lost: the program ends.
    pub lose_page: fn(&ThisCpu, &Arc<Program>, u64, PageLoss),
}

static FATES: Once<Fates> = Once::new();

/// Says what is done, once, before any thread runs.
pub fn install_fates(fates: Fates) {
    FATES.call_once(|| fates);
}

fn fates() -> &'static Fates {
    FATES.get().expect("said before any thread runs")
}

/// Ends the program of a thread that waits for somebody to handle its fault, and that the caller owns.
pub fn end_waiting(cpu: &ThisCpu, thread: Arc<Thread>) {
    (fates().end_waiting)(cpu, thread);
}

/// Ends the program of a thread whose handler did not reply in time, and that the caller owns.
pub fn end_unanswered(cpu: &ThisCpu, thread: Arc<Thread>) {
    (fates().end_unanswered)(cpu, thread);
}

/// Pauses a thread that is off every CPU and that the caller owns. One whose program is ending ends instead.
pub fn pause(cpu: &ThisCpu, thread: Arc<Thread>) {
    (fates().pause)(cpu, thread);
}

/// Ends a program of which a page is lost, at this address.
pub fn lose_page(cpu: &ThisCpu, program: &Arc<Program>, address: u64, loss: PageLoss) {
    (fates().lose_page)(cpu, program, address, loss);
}
