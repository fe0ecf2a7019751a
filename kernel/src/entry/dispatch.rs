//! What the IST door calls, and what a refused return leads to.

use percpu::ProcessorBlock;

use super::handlers::{debug_handler, double_fault_handler, handle_by_number, non_maskable_interrupt_handler};
use super::ist_return::Way;
use super::machine_check::{self, Outcome};
use super::trap_info::trap_info;
use crate::arch::{Frame as TrapFrame, Origin, TrapFrame as _, TrapInfo, take_debug_status, trap_number, vectors};
use crate::cpu::{self, Block, KernelCpu};
use crate::entry::trap_main::trap_main;
use crate::{lockdown, test_overflow};

/// NMI, #DB, #DF, #MC. Called on the vector's own stack.
pub(super) extern "C" fn dispatch_ist(frame: *mut TrapFrame, block: *const ProcessorBlock<KernelCpu>) -> Way {
    // SAFETY: the entry took the pointer from the top of the stack, where `init` put it; blocks live for ever.
    let block = unsafe { &*block };
    // SAFETY: the entry passes the frame it has just completed, on a stack that only this vector uses.
    let frame = unsafe { &mut *frame };
    let vector = frame.vector() as u8;
    test_overflow::overflow_if_asked(vector);
    match vector {
        vectors::NMI => {
            non_maskable_interrupt_handler(block, frame);
            Way::back(frame)
        }
        vectors::DEBUG => debug(block, frame),
        vectors::MACHINE_CHECK => machine_check(block, frame),
        _ => fatal(block, frame),
    }
}

fn debug(block: &Block, frame: &mut TrapFrame) -> Way {
    let (status, at_instruction_breakpoint) = take_debug_status();
    if frame.origin() == Origin::User {
        frame.set_debug_status(status, at_instruction_breakpoint);
        return on_as_ordinary(block, frame);
    }
    frame.set_debug_status(status, false);
    block.entries().count(usize::from(vectors::DEBUG));
    block.enter_ist();
    let cpu = cpu::this();
    let info = trap_info(trap_number(vectors::DEBUG, frame.error_code()), frame);
    // Chooses nobody: a #DB in the kernel goes back to where it came from, or not at all.
    let _next = debug_handler(&cpu, &info, frame);
    block.leave_ist();
    Way::back_from_debug(block, frame).unwrap_or_else(|| lockdown::enter(&cpu, &info, frame))
}

/// What the hardware has to do with it is over in `end_machine_check`, or in the handler of the type of trap.
fn machine_check(block: &Block, frame: &mut TrapFrame) -> Way {
    block.enter_ist();
    match machine_check::handle(block, frame) {
        Outcome::GoOn => {
            block.entries().count(usize::from(vectors::MACHINE_CHECK));
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
fn on_as_ordinary(block: &Block, frame: &TrapFrame) -> Way {
    let copy = (block.task_state().privilege_stack() - size_of::<TrapFrame>() as u64) as *mut TrapFrame;
    // SAFETY: ring 3 ran, so the TSS names the end of its thread's save area, which holds a frame and which
    // nothing refers to at this moment.
    unsafe { copy.write(*frame) };
    Way::ordinary(copy)
}

/// #DF; #MC that the kernel cannot go on from; what has no business here.
#[cold]
fn fatal(block: &Block, frame: &TrapFrame) -> ! {
    let vector = frame.vector() as u8;
    block.entries().count(usize::from(vector));
    block.enter_ist();
    let cpu = cpu::this();
    let info = trap_info(trap_number(vector, frame.error_code()), frame);
    if vector == vectors::DOUBLE_FAULT {
        double_fault_handler(&cpu, &info, frame)
    }
    lockdown::enter(&cpu, &info, frame)
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
    cpu.entries().count(fault.vector() as usize);
    let number = trap_number(fault.vector() as u8, fault.error_code());
    let Some(thread) = cpu.current() else { lockdown::enter(&cpu, &trap_info(number, &fault), &fault) };
    // SAFETY: the thread was about to run on this CPU; nobody else refers to its frame.
    let frame = unsafe { &mut *thread.frame_pointer() };
    frame.become_refused(&fault);
    let info = TrapInfo {
        number,
        vector: fault.vector(),
        origin: Origin::User,
        description: number.description(),
        address: 0,
    };
    trap_main(frame, |cpu, frame| handle_by_number(cpu, &info, frame))
}
