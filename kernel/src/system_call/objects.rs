//! Number to handler, for the calls on objects that are no endpoints.

use gatehouse_abi::SystemCall;

use super::dispatch::{Outcome, then};
use super::{capabilities, control, devices, frames, notifications, pci, saved_replies};
use crate::arch::Frame;
use crate::cpu::ThisCpu;
use crate::thread::Thread;

/// Handles one of these calls; `None` if it is another one.
pub(super) fn object_call(
    cpu: &ThisCpu,
    thread: &Thread,
    call: SystemCall,
    frame: &mut Frame,
    arguments: &[u64; 6],
) -> Option<Outcome> {
    let [first, second, third, ..] = *arguments;
    Some(match call {
        SystemCall::Signal => notifications::signal(cpu, thread, frame, first),
        SystemCall::CreateNotification => notifications::create(thread).into(),
        SystemCall::KillProgram => control::kill_program(cpu, thread, first).into(),
        SystemCall::SetPriority => then(frame, control::set_priority(cpu, thread, first, second)),
        SystemCall::PassTraps => control::pass_traps(thread, first).into(),
        SystemCall::SuspendThread => control::suspend_thread(cpu, thread, frame, first),
        SystemCall::MoveCapability => capabilities::transfer(thread, arguments).into(),
        SystemCall::SaveReply => saved_replies::save(cpu, thread).into(),
        SystemCall::ReplyTo => saved_replies::reply_to(cpu, thread, frame, first),
        SystemCall::CreateInterrupt => devices::create_interrupt(thread, first, second).into(),
        SystemCall::BindInterrupt => devices::bind_interrupt(cpu, thread, first, second).into(),
        SystemCall::AcknowledgeInterrupt => devices::acknowledge_interrupt(cpu, thread, frame, first),
        SystemCall::CreatePorts => devices::create_ports(thread, first, second, third).into(),
        SystemCall::ReadPort => devices::read(thread, first, second, third).into(),
        SystemCall::WritePort => devices::write(thread, arguments).into(),
        SystemCall::CreateFrame => frames::create(thread, first).into(),
        SystemCall::MapFrame => frames::map(thread, arguments).into(),
        SystemCall::BindConsole => then(frame, devices::bind_console(cpu, thread, first, second)),
        SystemCall::ReadConsole => devices::read_console(thread, first, second, third).into(),
        SystemCall::CreateDevice => pci::create_device(thread, first, second).into(),
        SystemCall::ReadConfiguration => pci::read_configuration(thread, first, second).into(),
        SystemCall::WriteConfiguration => pci::write_configuration(thread, first, second, third).into(),
        SystemCall::CreateDeviceFrame => pci::create_device_frame(thread, first, second, third).into(),
        SystemCall::CreateMessage => pci::create_message(thread, first, second).into(),
        SystemCall::FrameAddress => pci::frame_address(thread, first, second).into(),
        SystemCall::MoveInterrupt => then(frame, devices::move_interrupt(cpu, thread, first, second)),
        _ => return None,
    })
}
