//! A fault becomes a message to the handler of the thread.

use alloc::sync::Arc;

use gatehouse_abi::{FaultMessage, TrapNumber};

use super::endpoint::{Endpoint, meet, wait_as_sender};
use super::message::Sending;
use crate::arch::Frame;
use crate::cpu::ThisCpu;
use crate::sched::Next;
use crate::thread::Thread;
use crate::trap::{TrapFrame as _, TrapInfo};

/// Where a thread's faults go. Resolved when it is bound, not at each fault.
#[derive(Clone, Debug)]
pub struct FaultHandler {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// The badge of the capability that was bound: tells the handler whose fault it is.
    pub badge: u64,
}

/// Notes the fault of the running thread: for whoever will be told, and in the thread's own message buffer. Answers what is
/// noted.
#[inline(always)]
pub(super) fn record(thread: &Thread, number: TrapNumber, address: u64, frame: &Frame) -> (TrapNumber, u64) {
    let subject = if number.concerns_address() { address } else { frame.instruction_pointer() };
    thread.set_fault(number, subject);
    let buffer = thread.utcb();
    buffer.set(FaultMessage::CAUSE, number.to_bits());
    buffer.set(FaultMessage::ADDRESS, subject);
    buffer.set(FaultMessage::PROGRAM_COUNTER, frame.instruction_pointer());
    (number, subject)
}

/// Sends the running thread's fault to its handler; `None` if it has none that could take it.
pub fn deliver_fault(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> Option<Next> {
    let thread = cpu.current()?;
    let (endpoint, badge) = thread.fault_endpoint()?;
    let _noted = record(thread, info.number, info.address, frame);
    let mut queues = endpoint.queues.lock();
    match queues.take_receiver() {
        Some(receiver) => {
            drop(queues);
            Some(meet(cpu, receiver, badge, Sending::Fault))
        }
        None if queues.open => Some(wait_as_sender(cpu, queues, endpoint, badge, Sending::Fault)),
        None => None,
    }
}
