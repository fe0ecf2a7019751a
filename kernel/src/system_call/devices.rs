//! Calls of device drivers: interrupt lines, I/O ports, what comes by the console's serial line.

use gatehouse_abi::{Error, SLOT_NONE};
use gatehouse_core::capability::Rights;
use percpu::CpuIndex;

use super::capabilities::insert;
use super::dispatch::Outcome;
use super::{look_up, notifications};
use crate::arch::{Frame, TrapFrame as _, harmless_port_value, read_port, write_port};
use crate::console;
use crate::cpu::ThisCpu;
use crate::irq::{self, Interrupt};
use crate::object::{Counted, DeviceControl, Ports, TryInspect as _};
use crate::sched::Next;
use crate::thread::Thread;
use crate::user_copy;

pub(super) fn check_control(thread: &Thread, number: u64) -> Result<(), Error> {
    look_up::with(thread, number, Rights::CONTROL, |_: &DeviceControl, _| ())
}

/// As a capability of its own: while it is used it is not closed.
fn interrupt(thread: &Thread, number: u64) -> Result<Counted<Interrupt>, Error> {
    look_up::find(thread, number, Rights::CONTROL)
}

fn port(thread: &Thread, number: u64, right: Rights, port: u64, bytes: u64) -> Result<u16, Error> {
    look_up::with(thread, number, right, |ports: &Ports, _| ports.at(port, bytes))?.ok_or(Error::InvalidArgument)
}

pub(super) fn create_interrupt(thread: &Thread, control: u64, line: u64) -> Result<u64, Error> {
    check_control(thread, control)?;
    insert(thread.program(), Interrupt::new(line)?)
}

pub(super) fn bind_interrupt(cpu: &ThisCpu, thread: &Thread, number: u64, target: u64) -> Result<u64, Error> {
    let interrupt = interrupt(thread, number)?;
    let before = match target {
        SLOT_NONE => interrupt.object().unbind(cpu),
        target => {
            let (notification, badge) = notifications::find_counted(thread, target, Rights::SEND)?;
            interrupt.object().bind(cpu, thread.program(), notification, badge)?
        }
    };
    drop(before);
    Ok(0)
}

pub(super) fn acknowledge_interrupt(cpu: &ThisCpu, thread: &Thread, frame: &mut Frame, number: u64) -> Outcome {
    match interrupt(thread, number).and_then(|interrupt| interrupt.object().acknowledge(cpu)) {
        Ok(next) => {
            frame.set_system_call_result(0);
            Outcome::Then(next)
        }
        Err(error) => Outcome::Refused(error),
    }
}

/// AcknowledgeInterrupt where there is nothing to do but to note it.
#[inline(always)]
pub fn try_acknowledge(thread: &Thread, frame: &mut Frame) -> Option<()> {
    let [slot, ..] = frame.system_call_arguments();
    thread.capabilities().try_inspect(slot, |capability| {
        let interrupt = capability.object.get::<Counted<Interrupt>>()?;
        if !capability.rights.contains(Rights::CONTROL) {
            return None;
        }
        interrupt.object().try_acknowledge()
    })?;
    frame.set_system_call_result(0);
    Some(())
}

pub(super) fn move_interrupt(cpu: &ThisCpu, thread: &Thread, number: u64, target: u64) -> Result<Next, Error> {
    let target = u32::try_from(target).map(CpuIndex::new).map_err(|_| Error::NoSuchCpu)?;
    interrupt(thread, number)?.object().move_to(cpu, target)
}

pub(super) fn create_ports(thread: &Thread, control: u64, first: u64, count: u64) -> Result<u64, Error> {
    check_control(thread, control)?;
    let ports = Ports::new(first, count).ok_or(Error::InvalidArgument)?;
    insert(thread.program(), ports)
}

pub(super) fn read(thread: &Thread, number: u64, address: u64, bytes: u64) -> Result<u64, Error> {
    let port = port(thread, number, Rights::READ, address, bytes)?;
    // SAFETY: whoever holds device control gave the port away, which is trusted to know what listens there; the kernel's own
    // are in no range.
    Ok(u64::from(unsafe { read_port(port, bytes) }))
}

pub(super) fn write(thread: &Thread, arguments: &[u64; 6]) -> Result<u64, Error> {
    let [number, address, bytes, value, ..] = *arguments;
    let port = port(thread, number, Rights::WRITE, address, bytes)?;
    let value = harmless_port_value(port, bytes, value as u32);
    // SAFETY: whoever holds device control gave the port away, which is trusted to know what listens there; the kernel's own
    // are in no range, and the value masks no NMI.
    unsafe { write_port(port, bytes, value) };
    Ok(0)
}

pub(super) fn bind_console(cpu: &ThisCpu, thread: &Thread, control: u64, target: u64) -> Result<Next, Error> {
    check_control(thread, control)?;
    let reader = match target {
        SLOT_NONE => None,
        target => Some(notifications::find_counted(thread, target, Rights::SEND)?),
    };
    let (before, next) = irq::bind_console(cpu, reader);
    drop(before);
    Ok(next)
}

/// The most that one [`read_console`] takes.
const READ_LIMIT: u64 = 4096;

pub(super) fn read_console(thread: &Thread, control: u64, address: u64, length: u64) -> Result<u64, Error> {
    check_control(thread, control)?;
    if length > READ_LIMIT {
        return Err(Error::InvalidArgument);
    }
    // Before a byte is taken, which would be lost; it can only fail now if the program unmaps the buffer meanwhile.
    user_copy::check_writable(thread.program(), address, length)?;
    let mut bytes = [0; READ_LIMIT as usize];
    let count = console::take(&mut bytes[..length as usize]);
    user_copy::write(thread.program(), address, &bytes[..count])?;
    Ok(count as u64)
}
