//! Calls about timers.

use alloc::sync::Arc;

use gatehouse_abi::{ANY_CPU, Error, SLOT_NONE, TIMER_RELATIVE, TimerFirings};
use gatehouse_core::capability::Rights;
use percpu::CpuIndex;

use super::capabilities::insert;
use super::{look_up, notifications};
use crate::clock::{self, clock};
use crate::cpu::{self, ThisCpu};
use crate::thread::Thread;
use crate::time::{Action, Timer, TimerCapability};

/// The timer behind a slot.
fn timer(thread: &Thread, number: u64, right: Rights) -> Result<Arc<Timer>, Error> {
    look_up::with(thread, number, right, |timer: &TimerCapability, _| Arc::clone(timer.timer()))
}

pub(super) fn create(cpu: &ThisCpu, thread: &Thread, home: u64, notification: u64) -> Result<u64, Error> {
    let home = match home {
        ANY_CPU => cpu.index(),
        index => u32::try_from(index).map(CpuIndex::new).map_err(|_| Error::NoSuchCpu)?,
    };
    if cpu::by_index(home).is_none() {
        return Err(Error::NoSuchCpu);
    }
    let action = match notification {
        SLOT_NONE => Action::Count,
        slot => {
            let (notification, badge) = notifications::find(thread, slot, Rights::SEND)?;
            Action::Signal(notification, badge)
        }
    };
    insert(thread.program(), TimerCapability::new(Timer::new(home, action)?)?)
}

pub(super) fn set(cpu: &ThisCpu, thread: &Thread, number: u64, nanoseconds: u64, flags: u64) -> Result<u64, Error> {
    let moment = match flags {
        0 => clock::moment_at(nanoseconds),
        TIMER_RELATIVE => clock::moment_after(nanoseconds),
        _ => return Err(Error::InvalidArgument),
    };
    Ok(u64::from(timer(thread, number, Rights::WRITE)?.set(cpu, moment)))
}

pub(super) fn cancel(cpu: &ThisCpu, thread: &Thread, number: u64) -> Result<u64, Error> {
    Ok(u64::from(timer(thread, number, Rights::WRITE)?.cancel(cpu)))
}

pub(super) fn read(thread: &Thread, number: u64) -> Result<u64, Error> {
    let firings = timer(thread, number, Rights::READ)?.firings();
    let (due, fired) = (clock().time_of(firings.moment), clock().time_of(firings.fired_at));
    thread.utcb().set_timer_firings(&TimerFirings { count: firings.count, due, fired });
    Ok(firings.count)
}
