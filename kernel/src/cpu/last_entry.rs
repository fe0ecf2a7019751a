//! What a CPU that does not answer did last, as far as others can see it.

use core::fmt;

use super::Cpu;
use crate::arch::{Frame, TrapFrame as _};

/// How a CPU last came into the kernel from ring 3: by what lies in its running thread's frame. For reports about CPUs that
/// are stuck; of one that goes on, the numbers need not belong together.
#[derive(Clone, Copy, Debug)]
pub struct LastEntry(pub Cpu);

impl fmt::Display for LastEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.runs_nothing() {
            return write!(out, "runs no thread");
        }
        let frame = (self.0.task_state().privilege_stack() - size_of::<Frame>() as u64) as *const Frame;
        // SAFETY: the CPU's TSS names the end of its thread's save area, which ends with a frame of plain numbers, in kernel
        // memory that stays mapped. The CPU may write to it at this moment: any bits are a frame.
        let frame = unsafe { frame.read_volatile() };
        write!(out, "last entered the kernel by {} from RIP {:#x}", frame.entry_name(), frame.instruction_pointer())
    }
}
