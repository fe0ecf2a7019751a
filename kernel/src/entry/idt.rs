//! The interrupt descriptor table: one for all CPUs, made from the vector table.

use spin::Once;
use x86_64::structures::idt::InterruptDescriptorTable;
use x86_64::{PrivilegeLevel, VirtAddr};

use super::stubs::stub;
use crate::arch::vectors;

/// The table; it is made once, before the first CPU loads it, and never changes.
static TABLE: Once<InterruptDescriptorTable> = Once::new();

/// The table, made at the first call.
pub fn table() -> &'static InterruptDescriptorTable {
    TABLE.call_once(|| {
        let mut table = InterruptDescriptorTable::new();
        for number in 0..=u8::MAX {
            set_gate(&mut table, number);
        }
        table
    })
}

/// One gate: an interrupt gate, present, for the kernel's code segment.
fn set_gate(table: &mut InterruptDescriptorTable, number: u8) {
    let row = vectors::vector(number);
    let address = VirtAddr::new(stub(number));
    // The crate types each exception's entry by its handler's signature; the address, the gate's options and the
    // layout are the same for all.
    macro_rules! set {
        ($entry:expr) => {{
            // SAFETY: the stub follows the entry contract of its vector: it is made from the same row.
            let options = unsafe { $entry.set_handler_addr(address) };
            // SAFETY: the selector is the kernel's code segment in every CPU's GDT.
            unsafe { options.set_code_selector(percpu::KERNEL_CODE) };
            if row.from_user {
                options.set_privilege_level(PrivilegeLevel::Ring3);
            }
            if let Some(slot) = row.ist {
                // SAFETY: every CPU's TSS has a stack in this slot.
                unsafe { options.set_stack_index(slot.index()) };
            }
        }};
    }
    match number {
        vectors::DIVIDE_ERROR => set!(table.divide_error),
        vectors::DEBUG => set!(table.debug),
        vectors::NMI => set!(table.non_maskable_interrupt),
        vectors::BREAKPOINT => set!(table.breakpoint),
        vectors::OVERFLOW => set!(table.overflow),
        vectors::BOUND_RANGE => set!(table.bound_range_exceeded),
        vectors::INVALID_OPCODE => set!(table.invalid_opcode),
        vectors::DEVICE_NOT_AVAILABLE => set!(table.device_not_available),
        vectors::DOUBLE_FAULT => set!(table.double_fault),
        vectors::INVALID_TSS => set!(table.invalid_tss),
        vectors::SEGMENT_NOT_PRESENT => set!(table.segment_not_present),
        vectors::STACK_FAULT => set!(table.stack_segment_fault),
        vectors::GENERAL_PROTECTION => set!(table.general_protection_fault),
        vectors::PAGE_FAULT => set!(table.page_fault),
        vectors::X87_FLOATING_POINT => set!(table.x87_floating_point),
        vectors::ALIGNMENT_CHECK => set!(table.alignment_check),
        vectors::MACHINE_CHECK => set!(table.machine_check),
        vectors::SIMD_FLOATING_POINT => set!(table.simd_floating_point),
        vectors::VIRTUALIZATION => set!(table.virtualization),
        vectors::CONTROL_PROTECTION => set!(table.cp_protection_exception),
        vectors::HYPERVISOR_INJECTION => set!(table.hv_injection_exception),
        vectors::VMM_COMMUNICATION => set!(table.vmm_communication_exception),
        vectors::SECURITY => set!(table.security_exception),
        // Reserved exceptions: the crate keeps these entries to itself, not present, so that a stray one is #NP.
        9 | 15 | 22..=27 | 31 => {}
        _ => set!(table[number]),
    }
}
