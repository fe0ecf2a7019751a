//! The segment table: five flat segments and the task state.
//!
//! The order is dictated by SYSCALL and SYSRET (Intel SDM volume 3, "Fast System Calls in 64-Bit Mode"): SYSCALL takes CS
//! from bits 47:32 of STAR and SS from the next slot; SYSRET takes SS from the slot after bits 63:48 of STAR and CS from the one after that.

use x86_64::PrivilegeLevel::{Ring0, Ring3};
use x86_64::structures::gdt::{Descriptor, DescriptorFlags, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

/// Kernel code segment.
pub const KERNEL_CODE: SegmentSelector = SegmentSelector::new(1, Ring0);
/// Kernel data segment.
pub const KERNEL_DATA: SegmentSelector = SegmentSelector::new(2, Ring0);
/// User data segment.
pub const USER_DATA: SegmentSelector = SegmentSelector::new(3, Ring3);
/// User code segment.
pub const USER_CODE: SegmentSelector = SegmentSelector::new(4, Ring3);
/// Task state segment (two slots).
pub const TASK_STATE: SegmentSelector = SegmentSelector::new(5, Ring0);

/// Bits 47:32 of STAR: SYSCALL loads CS from here and SS from the next slot.
pub const STAR_SYSCALL_BASE: SegmentSelector = KERNEL_CODE;
/// Bits 63:48 of STAR: SYSRET loads SS from the slot after this and CS from the second after. RPL 3 is part of the value:
/// the processor ORs it in for CS on every model, for SS only on some.
pub const STAR_SYSRET_BASE: SegmentSelector = SegmentSelector::new(2, Ring3);

const _: () = assert!(KERNEL_DATA.0 == STAR_SYSCALL_BASE.0 + 8);
const _: () = assert!(USER_DATA.0 == STAR_SYSRET_BASE.0 + 8);
const _: () = assert!(USER_CODE.0 == STAR_SYSRET_BASE.0 + 16);
const _: () = assert!(KERNEL_CODE.0 & 3 == 0 && USER_CODE.0 & 3 == 3 && USER_DATA.0 & 3 == 3);

/// Slots: null, five segments of which the last takes two.
const SLOTS: usize = 7;

/// One CPU's GDT.
pub type SegmentTable = GlobalDescriptorTable<SLOTS>;

/// The table for the CPU whose task state is at `task_state`.
pub(crate) fn segment_table(task_state: *const TaskStateSegment) -> SegmentTable {
    let mut table = SegmentTable::empty();
    let selectors = [
        table.append(Descriptor::UserSegment(DescriptorFlags::KERNEL_CODE64.bits())),
        table.append(Descriptor::UserSegment(DescriptorFlags::KERNEL_DATA.bits())),
        table.append(Descriptor::UserSegment(DescriptorFlags::USER_DATA.bits())),
        table.append(Descriptor::UserSegment(DescriptorFlags::USER_CODE64.bits())),
        // SAFETY: the descriptor is used only by `ProcessorBlock::init`, whose block, task state included, is 'static.
        table.append(unsafe { Descriptor::tss_segment_unchecked(task_state) }),
    ];
    assert!(selectors == [KERNEL_CODE, KERNEL_DATA, USER_DATA, USER_CODE, TASK_STATE]);
    table
}
