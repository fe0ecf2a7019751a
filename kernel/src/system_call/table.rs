//! The table of system calls: a row a call, with what it comes to.
//!
//! Two readers make code of it, by [`system_calls`]: the one match over all calls in [`perform`], which does not compile
//! unless every call has a row, and the table of the entries, where a call that is marked `own` has one of its own.

use gatehouse_abi::SystemCall;

// One a line, so that another one is another line.
use super::affinity;
use super::calls;
use super::capabilities;
use super::control;
use super::cpus;
use super::debugging;
use super::devices;
use super::dispatch::{Outcome, piece, then};
use super::frames;
use super::information;
use super::memory;
use super::messages;
use super::notifications;
use super::pci;
use super::programs;
use super::progress::Progress;
use super::saved_replies;
use super::test_hook;
use super::timers;
use crate::arch::{Frame, TrapFrame as _};
use crate::clock;
use crate::cpu::ThisCpu;
use crate::sched;
use crate::thread::Thread;

/// Hands the rows to the macro `$reader`: first the names by which they know what a call is made with, then
/// `Call (marks) => outcome,` for each. The outcome is an [`Outcome`].
///
/// Marks: `own`, the call has an entry of its own, which is compiled for it alone, so that nothing on the way asks which call it
/// is; `pieces`, the call is done in pieces, and may be made again with a [`Progress`] instead of its number.
macro_rules! system_calls {
    ($reader:ident) => {
        $reader! {
            (cpu, call, thread, frame, [first, second, third], arguments, progress)
            Null (own) => Outcome::Value(0),
            ExitThread (own) => Outcome::Then(programs::exit_thread(cpu, first)),
            ExitProgram => Outcome::Then(programs::exit_program(cpu, first)),
            Yield (own) => {
                frame.set_system_call_result(0);
                Outcome::Then(sched::yield_now(cpu))
            },
            DebugWrite => calls::debug_write(thread(), first, second).into(),
            Clock => Outcome::Value(clock::nanoseconds_since_start()),
            CpuNumber => Outcome::Value(u64::from(cpu.index().get())),
            SpawnThread (own) => programs::spawn_thread(cpu, thread(), frame),
            Sleep => Outcome::Then(calls::sleep(cpu, frame, clock::moment_after(first))),
            SpawnProgram => programs::spawn_program(cpu, thread(), frame),
            WaitProgram => programs::wait_program(cpu, thread(), first, second),
            Record => calls::record(thread(), first, second).into(),
            Information => information::information(thread(), &arguments).into(),
            ShutDown => calls::shut_down(thread(), first).into(),
            SetBase => calls::set_base(thread(), first, second).into(),
            MoveToCpu => Outcome::Then(calls::move_to_cpu(cpu, frame, first)),
            MapMemory (own, pieces) => piece(call, memory::map_in(cpu, thread().program(), first, second, progress)),
            UnmapMemory (own, pieces) => piece(call, memory::unmap_in(cpu, thread().program(), first, second, progress)),
            CreateEndpoint => capabilities::create_endpoint(thread()).into(),
            CopyCapability => capabilities::copy(thread(), &arguments).into(),
            DeleteCapability => capabilities::delete(cpu, thread(), first).into(),
            RevokeCapability (pieces) => piece(call, capabilities::revoke(cpu, thread(), first, progress)),
            Send (own) => Outcome::Then(messages::message_call(cpu, call, frame)),
            Receive (own) => Outcome::Then(messages::message_call(cpu, call, frame)),
            Call (own) => Outcome::Then(messages::message_call(cpu, call, frame)),
            Reply (own) => Outcome::Then(messages::message_call(cpu, call, frame)),
            ReplyReceive (own) => Outcome::Then(messages::message_call(cpu, call, frame)),
            SetFaultHandler => then(frame, capabilities::set_fault_handler(cpu, thread(), &arguments)),
            ResumeThread => control::resume_thread(cpu, thread(), frame, first),
            MapInto (pieces) => piece(call, capabilities::map_into(cpu, thread(), &arguments, progress)),
            ReadMemory => capabilities::copy_memory(thread(), &arguments, false).into(),
            WriteMemory => capabilities::copy_memory(thread(), &arguments, true).into(),
            ReadFaultRegisters => saved_replies::read_fault_registers(thread(), first).into(),
            CreateNotification => notifications::create(thread()).into(),
            Signal (own) => notifications::signal(cpu, thread(), frame, first),
            Wait (own) => notifications::wait(cpu, thread(), frame, first, second),
            KillProgram => control::kill_program(cpu, thread(), first).into(),
            SuspendThread => control::suspend_thread(cpu, thread(), frame, first),
            SleepUntil => Outcome::Then(calls::sleep(cpu, frame, clock::moment_at(first))),
            CreateTimer => timers::create(cpu, thread(), first, second).into(),
            SetTimer (own) => timers::set(cpu, thread(), first, second, third).into(),
            CancelTimer (own) => timers::cancel(cpu, thread(), first).into(),
            ReadTimer => timers::read(thread(), first).into(),
            PingCpu (own) => cpus::ping(cpu, thread(), first).into(),
            MoveCapability => capabilities::transfer(thread(), &arguments).into(),
            SaveReply => saved_replies::save(cpu, thread()).into(),
            ReplyTo => saved_replies::reply_to(cpu, thread(), frame, first),
            TestHook => Outcome::Then(test_hook::run(cpu, frame)),
            ClearBreakpoint => then(frame, debugging::clear_breakpoint(cpu, thread(), first)),
            ReadRegisters => debugging::read_registers(thread(), first).into(),
            WriteRegisters => debugging::write_registers(thread(), first).into(),
            SetHardwareBreakpoint => debugging::set_hardware_breakpoint(thread(), &arguments).into(),
            PatchMemory => debugging::patch_memory(thread(), &arguments).into(),
            ListThreads => debugging::list_threads(thread(), &arguments).into(),
            OpenThread => debugging::open_thread(thread(), first, second).into(),
            SwapOut (pieces) => piece(call, capabilities::swap_out(cpu, thread(), &arguments, progress)),
            CreateInterrupt => devices::create_interrupt(thread(), first, second).into(),
            BindInterrupt => devices::bind_interrupt(cpu, thread(), first, second).into(),
            AcknowledgeInterrupt => devices::acknowledge_interrupt(cpu, thread(), frame, first),
            CreatePorts => devices::create_ports(thread(), first, second, third).into(),
            ReadPort => devices::read(thread(), first, second, third).into(),
            WritePort => devices::write(thread(), &arguments).into(),
            CreateFrame => frames::create(thread(), first).into(),
            MapFrame => frames::map(thread(), &arguments).into(),
            UnmapFrom (pieces) => piece(call, frames::unmap_from(cpu, thread(), &arguments, progress)),
            SetPriority => then(frame, control::set_priority(cpu, thread(), first, second)),
            FrameAddress => pci::frame_address(thread(), first, second).into(),
            SetAffinity => affinity::set(cpu, thread(), frame, &arguments).into(),
            GetAffinity => affinity::get(cpu, thread(), &arguments).into(),
            BindConsole => then(frame, devices::bind_console(cpu, thread(), first, second)),
            ReadConsole => devices::read_console(thread(), first, second, third).into(),
            CreateDevice => pci::create_device(thread(), first, second).into(),
            ReadConfiguration => pci::read_configuration(thread(), first, second).into(),
            WriteConfiguration => pci::write_configuration(thread(), first, second, third).into(),
            CreateDeviceFrame => pci::create_device_frame(thread(), first, second, third).into(),
            CreateMessage => pci::create_message(thread(), first, second).into(),
            MoveInterrupt => then(frame, devices::move_interrupt(cpu, thread(), first, second)),
            // The next call goes here.
        }
    };
}
pub(crate) use system_calls;

/// The functions that ask which call it is.
macro_rules! by_call {
    (
        ($cpu:ident, $call:ident, $thread:ident, $frame:ident, [$($word:ident),*], $arguments:ident, $progress:ident)
        $($name:ident $(($($mark:ident),*))? => $outcome:expr,)*
    ) => {
        /// Performs a call for the thread that runs on this CPU, from its frame. Where the call is a constant, nothing is left of
        /// the others.
        ///
        /// # Panics
        /// No thread runs on this CPU.
        #[inline(always)]
        pub(super) fn perform($cpu: &ThisCpu, $call: SystemCall, $frame: &mut Frame, $progress: Progress) -> Outcome {
            let $arguments = $frame.system_call_arguments();
            let [$($word,)* ..] = $arguments;
            // Looked up by those alone that need it.
            let $thread = || -> &Thread {
                let Some(thread) = $cpu.current() else { unreachable!("only threads make system calls") };
                thread
            };
            match $call {
                $(SystemCall::$name => $outcome,)*
            }
        }

        /// Whether a call is done in pieces.
        pub(super) const fn is_in_pieces(call: SystemCall) -> bool {
            match call {
                $(SystemCall::$name => false $($(|| by_call!(@is_pieces $mark))*)?,)*
            }
        }
    };
    (@is_pieces pieces) => { true };
    (@is_pieces $mark:ident) => { false };
}

system_calls!(by_call);
