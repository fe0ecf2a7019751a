//! The end of a machine check for the hardware, which may report the next one at once: so it comes last, when nothing is needed any
//! more of the stack that the next one begins on. What is to be said is said behind it: a second machine check before it would
//! reset the machine, and saying takes time.

use percpu::ProcessorBlock;

use crate::arch::Frame as TrapFrame;
use crate::arch::MACHINE_CHECKS;
use crate::arch::machine_check::Banks;
use crate::console;
use crate::cpu::Cpu;

/// What the IST entry calls when the frame that it goes back through, `frame`, lies on another stack than that of #MC.
pub(in crate::entry) extern "C" fn end_machine_check(_frame: *const TrapFrame, block: *const ProcessorBlock) {
    // SAFETY: the entry took the pointer from the top of the stack, where `init` put it; blocks live for ever.
    let block = Cpu::of_block(unsafe { &*block });
    end(block, "counted");
    block.leave_ist();
}

/// The same for one whose program is ended, once it is an ordinary trap.
pub(in crate::entry) fn end_for_program(block: Cpu) {
    end(block, "the program is shut down");
}

/// One line, unless somebody holds the serial line, which may be the code that was interrupted: then the counters tell.
fn end(block: Cpu, what: &str) {
    let state = MACHINE_CHECKS.of(block);
    // Read before the next one can come and change it.
    let event = state.is_to_be_told(false).then(|| state.last()).flatten();
    if let Some(banks) = Banks::of_this_cpu() {
        banks.end();
    }
    if let Some(event) = event {
        console::line_if_free(format_args!("machine check: CPU {} {event}: {what}", block.index()));
    }
}
