//! A fault becomes a message to the handler of the thread.

use gatehouse_abi::{FaultMessage, TrapNumber};

use super::endpoint::{Endpoint, Sender, send};
use super::limit::{lift_limit, limit_wait};
use super::message::Sending;
use crate::arch::{Frame, TrapFrame as _, TrapInfo};
use crate::cpu::ThisCpu;
use crate::sched::Next;
use crate::thread::Thread;

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
    let Some((endpoint, badge)) = thread.fault_endpoint() else { return deliver_limited(cpu, info, frame) };
    send_fault(cpu, thread, info, frame, (endpoint, badge))
}

/// The same for a handler that has a time limit.
#[inline(never)]
fn deliver_limited(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> Option<Next> {
    let thread = cpu.current()?;
    let (endpoint, badge, nanoseconds) = thread.limited_endpoint()?;
    limit_wait(cpu, &cpu.current_owned()?, nanoseconds);
    let sent = send_fault(cpu, thread, info, frame, (endpoint, badge));
    if sent.is_none() {
        // It still runs: nobody took the fault.
        lift_limit(cpu, thread);
    }
    sent
}

#[inline(always)]
fn send_fault(
    cpu: &ThisCpu,
    thread: &Thread,
    info: &TrapInfo,
    frame: &Frame,
    (endpoint, badge): (&Endpoint, u64),
) -> Option<Next> {
    let _noted = record(thread, info.number, info.address, frame);
    send(cpu, Sender::Running, Sending::Fault, endpoint, badge, true).ok()
}
