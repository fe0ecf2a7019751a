//! Calls that have handlers of their own, so that nothing on their way asks again which they are.

use gatehouse_abi::SystemCall;

use super::dispatch::{Outcome, piece, settle};
use super::{cpus, memory, notifications, programs, timers};
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::sched::{self, Next};
use crate::thread::Thread;

#[inline(always)]
fn directly(cpu: &ThisCpu, frame: &mut Frame, call: impl FnOnce(&Thread, [u64; 6], &mut Frame) -> Outcome) -> Next {
    let arguments = frame.system_call_arguments();
    let Some(thread) = cpu.current() else { unreachable!("only threads make system calls") };
    let outcome = call(thread, arguments, frame);
    settle(cpu, frame, outcome)
}

/// [`gatehouse_abi::SystemCall::ExitThread`].
#[inline(always)]
pub fn exit_thread(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    let [status, ..] = frame.system_call_arguments();
    programs::exit_thread(cpu, status)
}

/// [`gatehouse_abi::SystemCall::Yield`].
#[inline(always)]
pub fn yield_now(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    frame.set_system_call_result(0);
    sched::yield_now(cpu)
}

/// [`gatehouse_abi::SystemCall::SpawnThread`].
#[inline(always)]
pub fn spawn_thread(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    directly(cpu, frame, |thread, _, frame| programs::spawn_thread(cpu, thread, frame))
}

/// [`gatehouse_abi::SystemCall::MapMemory`].
#[inline(always)]
pub fn map_memory(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    directly(cpu, frame, |thread, [address, length, ..], _| {
        piece(SystemCall::MapMemory, memory::map(cpu, thread, address, length))
    })
}

/// [`gatehouse_abi::SystemCall::UnmapMemory`].
#[inline(always)]
pub fn unmap_memory(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    directly(cpu, frame, |thread, [address, length, ..], _| {
        piece(SystemCall::UnmapMemory, memory::unmap(cpu, thread, address, length))
    })
}

/// [`gatehouse_abi::SystemCall::Wait`].
#[inline(always)]
pub fn wait(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    directly(cpu, frame, |thread, [notification, nanoseconds, ..], frame| {
        notifications::wait(cpu, thread, frame, notification, nanoseconds)
    })
}

/// [`gatehouse_abi::SystemCall::SetTimer`].
#[inline(always)]
pub fn set_timer(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    directly(cpu, frame, |thread, arguments, _| timers::set(cpu, thread, &arguments).into())
}

/// [`gatehouse_abi::SystemCall::CancelTimer`].
#[inline(always)]
pub fn cancel_timer(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    directly(cpu, frame, |thread, [timer, ..], _| timers::cancel(cpu, thread, timer).into())
}

/// [`gatehouse_abi::SystemCall::PingCpu`].
#[inline(always)]
pub fn ping_cpu(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    directly(cpu, frame, |thread, [target, ..], _| cpus::ping(cpu, thread, target).into())
}
