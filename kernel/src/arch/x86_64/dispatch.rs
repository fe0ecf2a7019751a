//! What the IST door calls, and what a refused return leads to.

use percpu::ProcessorBlock;

use super::debug_registers::take_debug_status;
use super::decode::trap_number;
use super::exceptions::trap_info;
use super::frame::TrapFrame;
use super::handlers::{debug_handler, double_fault_handler, handle_by_number, non_maskable_interrupt_handler};
use super::machine_check::{self, Outcome};
use super::vectors;
use crate::cpu::{self, KernelCpu};
use crate::trap::{Origin, TrapFrame as _, TrapInfo, trap_main};
use crate::{lockdown, test_overflow};

/// NMI, #DB, #DF, #MC. Called on the vector's own stack. Answers null to go back to the interrupted code, or the
/// address of a copy of the frame in the running thread's save area, to go on as with an ordinary trap.
pub(super) extern "C" fn dispatch_ist(
    frame: *mut TrapFrame,
    block: *const ProcessorBlock<KernelCpu>,
) -> *mut TrapFrame {
    // SAFETY: the entry took the pointer from the top of the stack, where `init` put it; blocks live for ever.
    let block = unsafe { &*block };
    // SAFETY: the entry passes the frame it has just completed, on a stack that only this vector uses.
    let frame = unsafe { &mut *frame };
    let vector = frame.vector() as u8;
    test_overflow::overflow_if_asked(vector);
    if vector == vectors::NMI {
        non_maskable_interrupt_handler(block, frame);
        return core::ptr::null_mut();
    }
    let on_as_ordinary = match vector {
        vectors::MACHINE_CHECK => {
            block.enter_ist();
            let outcome = machine_check::handle(block, frame);
            block.leave_ist();
            if outcome == Outcome::GoOn {
                block.entries().count(usize::from(vector));
                return core::ptr::null_mut();
            }
            outcome == Outcome::EndProgram
        }
        vectors::DEBUG => frame.origin() == Origin::User,
        _ => false,
    };
    if on_as_ordinary {
        let copy = (block.task_state().privilege_stack() - size_of::<TrapFrame>() as u64) as *mut TrapFrame;
        if vector == vectors::DEBUG {
            let (status, at_instruction_breakpoint) = take_debug_status();
            frame.set_debug_status(status, at_instruction_breakpoint);
        }
        // It is counted where it goes on.
        // SAFETY: ring 3 ran, so the TSS names the end of its thread's save area, which holds a frame and which
        // nothing refers to at this moment.
        unsafe { copy.write(*frame) };
        return copy;
    }
    if vector == vectors::DEBUG {
        frame.set_debug_status(take_debug_status().0, false);
    }
    block.entries().count(usize::from(vector));
    block.enter_ist();
    let cpu = cpu::this();
    let info = trap_info(trap_number(vector, frame.error_code()), frame);
    match vector {
        // Chooses nobody: a #DB in the kernel goes back to where it came from, or not at all.
        vectors::DEBUG => _ = debug_handler(&cpu, &info, frame),
        vectors::DOUBLE_FAULT => double_fault_handler(&cpu, &info, frame),
        _ => lockdown::enter(&cpu, &info, frame),
    }
    block.leave_ist();
    core::ptr::null_mut()
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
