//! What the IST entry calls, and what a refused return leads to: to [`trap_main`] both.

use core::convert::Infallible;

use gatehouse_abi::TrapNumber;
use percpu::ProcessorBlock;

use super::handlers::{Exception, Fatal, HarmlessMachineCheck, NonMaskable, handle_by_number};
use super::ist_return::Way;
use super::machine_check::{self, Outcome};
use super::trap_info::trap_info;
use super::trap_main::{Row, trap_main};
use crate::arch::{Frame as TrapFrame, Origin, TrapFrame as _, TrapInfo, take_debug_status, trap_number, vectors};
use crate::cpu::{self, Cpu, ThisCpu};
use crate::sched::Next;
use crate::{lockdown, test_overflow};

/// NMI, #DB, #DF, #MC. Called on the vector's own stack. The rows go back to what was interrupted, or not at all: that they answer its
/// frame says nothing.
pub(super) extern "C" fn dispatch_ist(frame: *mut TrapFrame, block: *const ProcessorBlock) -> Way {
    // SAFETY: the entry took the pointer from the top of the stack, where `init` put it; blocks live for ever.
    let block = Cpu::of_block(unsafe { &*block });
    // SAFETY: the entry passes the frame it has just completed, on a stack that only this vector uses.
    let frame = unsafe { &mut *frame };
    let vector = frame.vector() as u8;
    test_overflow::overflow_if_asked(vector);
    match vector {
        vectors::NMI => {
            let _same = trap_main::<NonMaskable>(TrapNumber::NON_MASKABLE, frame);
            Way::back(frame)
        }
        vectors::DEBUG => debug(block, frame),
        vectors::MACHINE_CHECK => machine_check(block, frame),
        _ => fatal(block, frame),
    }
}

fn debug(block: Cpu, frame: &mut TrapFrame) -> Way {
    let (status, at_instruction_breakpoint) = take_debug_status();
    if frame.origin() == Origin::User {
        frame.set_debug_status(status, at_instruction_breakpoint);
        return on_as_ordinary(block, frame);
    }
    frame.set_debug_status(status, false);
    block.enter_ist();
    let _same = trap_main::<Exception>(TrapNumber::DEBUG, frame);
    block.leave_ist();
    Way::back_from_debug(block, frame).unwrap_or_else(|| no_way_back(frame))
}

/// What the hardware has to do with it is over in `end_machine_check`, or in the handler of the type of trap.
fn machine_check(block: Cpu, frame: &mut TrapFrame) -> Way {
    block.enter_ist();
    match machine_check::handle(block, frame) {
        Outcome::GoOn => {
            let _same = trap_main::<HarmlessMachineCheck>(TrapNumber::MACHINE_CHECK, frame);
            Way::back_from_machine_check(block, frame).unwrap_or_else(|| no_way_back(frame))
        }
        Outcome::EndProgram => {
            block.leave_ist();
            on_as_ordinary(block, frame)
        }
        Outcome::Lockdown => {
            block.leave_ist();
            fatal(block, frame)
        }
    }
}

/// Goes on on the thread's stack. It is counted where it goes on.
fn on_as_ordinary(block: Cpu, frame: &TrapFrame) -> Way {
    let copy = (block.task_state().privilege_stack() - size_of::<TrapFrame>() as u64) as *mut TrapFrame;
    // SAFETY: ring 3 ran, so the TSS names the end of its thread's save area, which holds a frame and which
    // nothing refers to at this moment.
    unsafe { copy.write(*frame) };
    Way::ordinary(copy)
}

/// #DF; #MC that the kernel cannot go on from; what has no business here.
#[cold]
fn fatal(block: Cpu, frame: &mut TrapFrame) -> ! {
    block.enter_ist();
    let _never = trap_main::<Fatal>(Fatal::number(frame), frame);
    unreachable!("nothing comes back from a fatal trap")
}

/// The stack of an IST vector's handler is about to overflow.
#[cold]
fn no_way_back(frame: &TrapFrame) -> ! {
    lockdown::enter(&cpu::this(), &trap_info(trap_number(frame.vector() as u8, frame.error_code()), frame), frame)
}

/// The `iretq` of `leave` faulted: the frame of a thread held something that the processor refuses, though no setter lets
/// such values in. `fault` is the frame of the #GP (or #SS, #NP) itself; its general registers are the thread's.
///
/// The thread's frame becomes that of the fault, with what was refused put right: the fault is the thread's like any other,
/// and its handler may let it go on.
pub(super) extern "C" fn return_failed(fault: *mut TrapFrame) -> *const TrapFrame {
    // SAFETY: the entry passes the frame it has just completed, in the spare bytes below the thread's save area.
    let fault = unsafe { *fault };
    let cpu = cpu::this();
    let number = RefusedReturn::number(&fault);
    let Some(thread) = cpu.current() else { lockdown::enter(&cpu, &trap_info(number, &fault), &fault) };
    // SAFETY: the thread was about to run on this CPU; nobody else refers to its frame.
    let frame = unsafe { &mut *thread.frame_pointer() };
    frame.become_refused(&fault);
    trap_main::<RefusedReturn>(number, frame)
}

struct RefusedReturn;

impl Row for RefusedReturn {
    type Found = Infallible;
    type Taken = ();
    const COUNTER: Option<usize> = None;
    const HAS_FAST_PATH: bool = false;

    fn number(frame: &TrapFrame) -> TrapNumber {
        trap_number(frame.vector() as u8, frame.error_code())
    }

    fn rest(cpu: &ThisCpu, number: TrapNumber, frame: &mut TrapFrame, _taken: ()) -> Next {
        // There is no instruction to be looked into.
        let info = TrapInfo {
            number,
            vector: frame.vector(),
            origin: Origin::User,
            description: number.description(),
            address: 0,
        };
        handle_by_number(cpu, &info, frame)
    }
}
