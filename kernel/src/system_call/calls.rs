//! Calls about the caller's own thread, the console and the machine.

use gatehouse_abi::{BASE_FS, BASE_GS, Error};
use percpu::CpuIndex;

use crate::arch::{ExitStatus, Frame, TrapFrame as _};
use crate::cpu::{self, ThisCpu};
use crate::memory::fallible;
use crate::sched::{self, Next};
use crate::thread::Thread;
use crate::{console, lockdown, user_copy};

/// The most that one [`debug_write`] takes.
const TEXT_LIMIT: u64 = 4096;
/// The most that one [`record`] takes.
const RECORD_LIMIT: u64 = 1024 * 1024;

/// Not inlined, for the room that it takes on the stack.
#[inline(never)]
pub(super) fn debug_write(thread: &Thread, address: u64, length: u64) -> Result<u64, Error> {
    if length > TEXT_LIMIT {
        return Err(Error::InvalidArgument);
    }
    let mut bytes = [0; TEXT_LIMIT as usize];
    let bytes = &mut bytes[..length as usize];
    user_copy::read(thread.program(), address, bytes)?;
    let text = core::str::from_utf8(bytes).map_err(|_| Error::InvalidArgument)?;
    Ok(console::text(text) as u64)
}

/// Waits until a moment, in clock ticks.
pub(super) fn sleep(cpu: &ThisCpu, frame: &mut Frame, moment: u64) -> Next {
    frame.set_system_call_result(0);
    // The timer list owns the thread from here on.
    drop(sched::wait_until(cpu, moment));
    Next::Choose
}

pub(super) fn record(thread: &Thread, address: u64, length: u64) -> Result<u64, Error> {
    if !thread.program().is_first() {
        return Err(Error::NotPermitted);
    }
    if length > RECORD_LIMIT {
        return Err(Error::InvalidArgument);
    }
    // The whole is read before a byte of it is written, so that a bad address leaves no half record behind.
    let mut text = fallible::filled(0, length as usize)?;
    user_copy::read(thread.program(), address, &mut text)?;
    console::record(&[&text]);
    Ok(length)
}

pub(super) fn shut_down(thread: &Thread, verdict: u64) -> Result<u64, Error> {
    if !thread.program().is_first() {
        return Err(Error::NotPermitted);
    }
    lockdown::finish(&cpu::this(), if verdict == 0 { ExitStatus::Pass } else { ExitStatus::Fail })
}

pub(super) fn set_base(thread: &Thread, which: u64, address: u64) -> Result<u64, Error> {
    let canonical = match which {
        BASE_FS => thread.bases().set_fs(address),
        BASE_GS => thread.bases().set_gs(address),
        _ => false,
    };
    if canonical { Ok(0) } else { Err(Error::InvalidArgument) }
}

pub(super) fn move_to_cpu(cpu: &ThisCpu, frame: &mut Frame, target: u64) -> Next {
    let target = u32::try_from(target).map(CpuIndex::new).ok().filter(|target| cpu::by_index(*target).is_some());
    let Some(target) = target else {
        frame.set_system_call_result(Error::NoSuchCpu.to_register());
        return Next::Stay;
    };
    frame.set_system_call_result(0);
    if target == cpu.index() {
        if let Some(thread) = cpu.current() {
            thread.root_at(target);
        }
        return Next::Stay;
    }
    let Some(thread) = sched::detach_current(cpu) else { return Next::Choose };
    thread.root_at(target);
    sched::hand_over(cpu, thread).and(Next::Choose)
}
