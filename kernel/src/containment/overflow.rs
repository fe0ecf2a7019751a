//! Overflow of a kernel stack: what is asked before the kernel goes on.

use core::cell::Cell;
use core::fmt;

use gatehouse_abi::{EndCause, ProgramEnd};
use gatehouse_core::memory::layout::PAGE_SIZE;
use percpu::{CpuLocal, per_cpu};

use crate::arch::{self, Arch, ArchTrap, Frame, INSTRUCTIONS, Origin, Step, TrapFrame, TrapInfo};
use crate::console;
use crate::cpu::ThisCpu;
use crate::lockdown::{DOUBLE_FAULT_STACK, GuardTouch, INTERRUPT_STACK, Refusal, backtrace, find_guard, function_at};
use crate::{sched, time};

per_cpu! {
    /// Whether this CPU is between an overflow and its new start.
    static ACTIVE: CpuLocal<Cell<bool>> = Cell::new(false);
    /// How the program of the running thread is to end, from a failure that was contained to the new start.
    static END: CpuLocal<Cell<Option<ProgramEnd>>> = Cell::new(None);
}

/// The CPU has started again: answers how the program of the running thread is to end.
pub fn started_again(cpu: &ThisCpu) -> ProgramEnd {
    ACTIVE.of(cpu).set(false);
    END.of(cpu).take().unwrap_or_default()
}

/// If the trap is an access to the guard page of a kernel stack: reports it, ends the program of the thread that this CPU
/// runs, starts the CPU again with `begin_again`, and does not come back. Answers `None` if it is no such access, and why the kernel cannot go
/// on if it is.
///
/// What is asked, in this order: the stack is this CPU's; no other overflow is being handled here; a thread runs here, so
/// that it happened for somebody; the CPU holds no lock; its own lists are not in use; it ran on that stack, with less than a
/// page left; and, on the stack of an IST vector, the handler had interrupted ring 3, so that nothing of the kernel but itself
/// is cut off. On the interrupt stack it is the handling of one entry, by that thread or by an interrupt while it ran.
pub fn contain_overflow(
    cpu: &ThisCpu,
    info: &TrapInfo,
    frame: &Frame,
    begin_again: extern "C" fn() -> *const Frame,
) -> Option<Refusal> {
    let touch = find_guard(info.address)?;
    if let Err(refusal) = check(cpu, &touch, frame) {
        return Some(refusal);
    }
    let Some(thread) = cpu.current() else { return Some(Refusal::NoThread) };
    let program = thread.program();
    let steps = backtrace(cpu, frame);
    console::line(format_args!(
        "contained: {touch}; shut down: program={} ({}) thread={} cpu={}; in {}",
        program.name(),
        program.number(),
        thread.number(),
        cpu.index(),
        Innermost(&steps),
    ));
    END.of(cpu).set(Some(ProgramEnd {
        program: program.number(),
        cause: EndCause::KernelFailure as u64,
        status: 0,
        trap: info.number.to_bits(),
        vector: info.vector,
        error_code: Arch::error_code(frame),
        address: info.address,
        instruction_pointer: frame.instruction_pointer(),
        stack_pointer: frame.stack_pointer(),
        thread: thread.number(),
        cpu: u64::from(cpu.index().get()),
    }));
    // SAFETY: nothing on this CPU's stacks is needed again: that is what was checked. No reference to what
    // the CPU keeps for itself is alive but those here, which are not used again.
    unsafe { arch::restart(begin_again) }
}

fn check(cpu: &ThisCpu, touch: &GuardTouch, frame: &Frame) -> Result<(), Refusal> {
    let refuse = |when: bool, why| if when { Err(why) } else { Ok(()) };
    refuse(touch.cpu != cpu.index(), Refusal::OtherCpu)?;
    let nested = ACTIVE.of(cpu).replace(true);
    // Only the handler of double faults runs on their stack.
    refuse(nested || touch.stack.name == DOUBLE_FAULT_STACK, Refusal::Nested)?;
    refuse(cpu.current().is_none(), Refusal::NoThread)?;
    refuse(cpu.locks_held() != 0, Refusal::LockHeld)?;
    refuse(is_in_use(cpu), Refusal::LocalInUse)?;
    let pointer = frame.stack_pointer();
    refuse(!touch.stack.holds(pointer) && !touch.stack.guards(pointer), Refusal::NotOnStack)?;
    refuse(pointer > touch.stack.base + PAGE_SIZE, Refusal::NotFull)?;
    if touch.stack.name == INTERRUPT_STACK {
        return Ok(());
    }
    // SAFETY: the CPU ran on this stack, which an IST vector's entry had begun at the top of.
    let interrupted = unsafe { arch::ist_frame(touch.stack.top) };
    refuse(interrupted.origin() == Origin::Kernel, Refusal::KernelInterrupted)
}

/// Whether what this CPU keeps for itself is being changed at this moment, or gone through, by code that is in the middle of it.
fn is_in_use(cpu: &ThisCpu) -> bool {
    sched::is_in_use(cpu) || time::is_in_use(cpu) || INSTRUCTIONS.of(cpu).try_borrow_mut().is_err()
}

/// The first functions of a backtrace.
struct Innermost<'steps>(&'steps [Step]);

/// How many: recursion shows in a few, and the line is to stay a line.
const FUNCTIONS: usize = 4;

impl fmt::Display for Innermost<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.0.iter().filter_map(|step| match step {
            Step::At(address) => Some(*address),
            Step::ReturnsTo(address) => Some(address.wrapping_sub(1)),
            _ => None,
        });
        for (position, address) in addresses.take(FUNCTIONS).enumerate() {
            out.write_str(if position == 0 { "" } else { " < " })?;
            match function_at(address) {
                Some(found) => out.write_str(found.name)?,
                None => write!(out, "{address:#x}")?,
            }
        }
        Ok(())
    }
}
