//! A fault becomes a message to the handler of the thread.

use alloc::sync::Arc;

use gatehouse_abi::FaultMessage;

use super::endpoint::{Endpoint, meet, wait_as_sender};
use super::message::Sending;
use crate::arch::{Arch, Frame};
use crate::cpu::ThisCpu;
use crate::sched::Next;
use crate::trap::{ArchTrap, TrapFrame as _, TrapInfo};

/// Where a thread's faults go. Resolved when it is bound, not at each fault.
#[derive(Clone, Debug)]
pub struct FaultHandler {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// The badge of the capability that was bound: tells the handler whose fault it is.
    pub badge: u64,
}

/// Sends the running thread's fault to its handler; `None` if it has none that could take it.
#[inline(always)]
pub fn deliver_fault(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> Option<Next> {
    let thread = cpu.current()?;
    let (endpoint, badge) = thread.fault_endpoint()?;
    thread.utcb().set_fault(&FaultMessage {
        cause: info.number.to_bits(),
        address: if info.number.concerns_address() { info.address } else { frame.instruction_pointer() },
        program_counter: frame.instruction_pointer(),
        access: Arch::error_code(frame) | info.vector << 32,
        stack_pointer: frame.stack_pointer(),
        flags: Arch::flags(frame),
        thread: thread.number(),
        cpu: u64::from(cpu.index().get()),
    });
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
