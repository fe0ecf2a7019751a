//! Memory that can be read whatever has happened: this CPU's stacks, and the heap, where threads keep their frames.

use super::guard::{boot_stack, stacks_of};
use crate::cpu::ThisCpu;
use crate::memory::heap;

/// The word at `address`, if it lies in memory that is always mapped. Before the CPU has its block it has only the stack
/// that the machine started on.
pub(super) fn word(cpu: Option<&ThisCpu>, address: u64) -> Option<u64> {
    let end = address.checked_add(8).filter(|_| address.is_multiple_of(8))?;
    let holds = |base: u64, top: u64| base <= address && end <= top;
    let (heap_start, heap_end) = heap::mapped();
    let readable = boot_stack().is_some_and(|stack| holds(stack.base, stack.top))
        || holds(heap_start, heap_end)
        || cpu.is_some_and(|cpu| stacks_of(cpu).any(|stack| holds(stack.base, stack.top)));
    // SAFETY: the word is aligned and lies in a stack of this CPU, in the boot stack or in the heap, all of which are mapped
    // for ever. Volatile, since other CPUs may write to the heap meanwhile.
    readable.then(|| unsafe { (address as *const u64).read_volatile() })
}
