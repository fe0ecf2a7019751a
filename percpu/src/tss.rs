//! The task state segment: where the processor finds stacks.

use core::cell::UnsafeCell;
use core::ptr;

use x86_64::VirtAddr;
use x86_64::structures::tss::TaskStateSegment;

use crate::entry_top::EntryTop;
use crate::ist::{IstSlot, IstStacks, entry};

/// A TSS that only its own CPU changes.
///
/// The layout is the hardware's; `repr(C, packed(4))` puts `rsp0` at offset 4. The block places the whole so that
/// `rsp0` is a naturally aligned word.
#[derive(Debug)]
#[repr(transparent)]
pub struct TaskState(UnsafeCell<TaskStateSegment>);

// SAFETY: the block is shared between CPUs, but every method that writes demands to run on the owner, with no other
// entry in between; other CPUs read nothing but addresses of the struct itself.
unsafe impl Sync for TaskState {}

impl TaskState {
    /// The TSS of no CPU.
    pub(crate) const fn none() -> Self {
        Self(UnsafeCell::new(TaskStateSegment::new()))
    }

    /// A TSS for a CPU that has no thread yet: ring-3 entries would go to the fallback stack.
    #[must_use]
    pub(crate) fn new(fallback: EntryTop, stacks: &IstStacks) -> Self {
        let mut segment = TaskStateSegment::new();
        segment.privilege_stack_table[0] = VirtAddr::new(fallback.address());
        let slots = [
            (IstSlot::Nmi, stacks.nmi[0]),
            (IstSlot::DoubleFault, stacks.double_fault),
            (IstSlot::MachineCheck, stacks.machine_check),
            (IstSlot::Debug, stacks.debug),
        ];
        for (slot, stack) in slots {
            segment.interrupt_stack_table[usize::from(slot.index())] = VirtAddr::new(entry(&stack));
        }
        Self(UnsafeCell::new(segment))
    }

    /// The address that the GDT's descriptor takes.
    #[must_use]
    #[inline]
    pub fn as_ptr(&self) -> *const TaskStateSegment {
        self.0.get()
    }

    /// Sets where the processor pushes when ring 3 traps.
    ///
    /// # Safety
    /// Only on the CPU that owns the TSS.
    #[inline(always)]
    pub unsafe fn set_privilege_stack(&self, top: EntryTop) {
        // SAFETY: a field of a live struct; only this CPU writes it, and no entry code runs in between that could.
        unsafe {
            ptr::addr_of_mut!((*self.0.get()).privilege_stack_table[0])
                .write_unaligned(VirtAddr::new_unsafe(top.address()))
        };
    }

    /// Where the processor pushes when ring 3 traps.
    #[must_use]
    #[inline(always)]
    pub fn privilege_stack(&self) -> u64 {
        // SAFETY: a plain read of a field of a live struct.
        unsafe { ptr::addr_of!((*self.0.get()).privilege_stack_table[0]).read_unaligned() }.as_u64()
    }

    /// The address that an entry through the slot starts from.
    #[must_use]
    #[inline]
    pub fn interrupt_stack(&self, slot: IstSlot) -> u64 {
        // SAFETY: a plain read of a field of a live struct.
        unsafe { ptr::addr_of!((*self.0.get()).interrupt_stack_table[usize::from(slot.index())]).read_unaligned() }
            .as_u64()
    }

    /// Points a slot at another stack.
    ///
    /// # Safety
    /// Only on the CPU that owns the TSS; the stack must be linked to the block and hold no live frame at its top.
    #[inline]
    pub unsafe fn set_interrupt_stack(&self, slot: IstSlot, address: u64) {
        // SAFETY: a field of a live struct, written by its own CPU.
        unsafe {
            ptr::addr_of_mut!((*self.0.get()).interrupt_stack_table[usize::from(slot.index())])
                .write_unaligned(VirtAddr::new_unsafe(address));
        };
    }
}

/// Offset of `rsp0` in the TSS.
pub(crate) const PRIVILEGE_STACK: usize = core::mem::offset_of!(TaskStateSegment, privilege_stack_table);
const _: () = assert!(PRIVILEGE_STACK == 4, "Intel SDM volume 3, \"64-Bit TSS Format\"");
const _: () = assert!(size_of::<TaskStateSegment>() == 104, "Intel SDM volume 3, \"64-Bit TSS Format\"");
