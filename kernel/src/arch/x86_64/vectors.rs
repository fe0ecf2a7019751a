//! One row a vector: name, error code, stack, gate. Stubs, IDT, reports and tests all read this table.

use percpu::IstSlot;

/// Facts about a vector (Intel SDM volume 3, "Exception and Interrupt Vectors"; AMD APM volume 2, "Vectors").
#[derive(Clone, Copy, Debug)]
pub struct Vector {
    /// The key under which counters and reports know it.
    pub name: &'static str,
    /// The manuals' mnemonic; empty for interrupts.
    pub mnemonic: &'static str,
    /// The processor pushes an error code.
    pub error_code: bool,
    /// The stack that the gate switches to, whatever ran.
    pub ist: Option<IstSlot>,
    /// Ring 3 may raise it by an instruction.
    pub from_user: bool,
}

/// Divide error.
pub const DIVIDE_ERROR: u8 = 0;
/// Debug exception.
pub const DEBUG: u8 = 1;
/// Non-maskable interrupt.
pub const NMI: u8 = 2;
/// Breakpoint.
pub const BREAKPOINT: u8 = 3;
/// Overflow.
pub const OVERFLOW: u8 = 4;
/// BOUND range exceeded.
pub const BOUND_RANGE: u8 = 5;
/// Invalid opcode.
pub const INVALID_OPCODE: u8 = 6;
/// Device not available.
pub const DEVICE_NOT_AVAILABLE: u8 = 7;
/// Double fault.
pub const DOUBLE_FAULT: u8 = 8;
/// Invalid TSS.
pub const INVALID_TSS: u8 = 10;
/// Segment not present.
pub const SEGMENT_NOT_PRESENT: u8 = 11;
/// Stack-segment fault.
pub const STACK_FAULT: u8 = 12;
/// General protection.
pub const GENERAL_PROTECTION: u8 = 13;
/// Page fault.
pub const PAGE_FAULT: u8 = 14;
/// x87 floating-point error.
pub const X87_FLOATING_POINT: u8 = 16;
/// Alignment check.
pub const ALIGNMENT_CHECK: u8 = 17;
/// Machine check.
pub const MACHINE_CHECK: u8 = 18;
/// SIMD floating-point exception.
pub const SIMD_FLOATING_POINT: u8 = 19;
/// Virtualization exception.
pub const VIRTUALIZATION: u8 = 20;
/// Control-protection exception.
pub const CONTROL_PROTECTION: u8 = 21;
/// Hypervisor injection exception (AMD).
pub const HYPERVISOR_INJECTION: u8 = 28;
/// VMM communication exception (AMD).
pub const VMM_COMMUNICATION: u8 = 29;
/// Security exception (AMD).
pub const SECURITY: u8 = 30;
/// Exceptions end here; what follows are interrupts.
pub const FIRST_INTERRUPT: u8 = 32;
/// First vector for devices.
pub const FIRST_DEVICE: u8 = 0x30;
/// The serial line of the console.
pub const SERIAL: u8 = 0x7E;
/// The disk that pages are swapped to.
pub const SWAP_DISK: u8 = 0x7F;
/// One past the last vector for devices.
pub const DEVICE_END: u8 = 0x80;
/// System call by `int 0x80`.
pub const SYSTEM_CALL: u8 = 0x80;
/// The local APIC's timer. High, so that its priority class is above the devices'.
pub const TIMER: u8 = 0xF0;
/// Inter-processor interrupts of every kind.
pub const IPI: u8 = 0xF8;
/// The local APIC reports an error of its own.
pub const APIC_ERROR: u8 = 0xFE;
/// The local APIC's spurious vector; the low four bits are ones, as old models demand.
pub const SPURIOUS: u8 = 0xFF;

/// A row for an exception.
const fn exception(name: &'static str, mnemonic: &'static str, error_code: bool) -> Vector {
    Vector { name, mnemonic, error_code, ist: None, from_user: false }
}

impl Vector {
    const fn on(self, slot: IstSlot) -> Self {
        Self { ist: Some(slot), ..self }
    }

    const fn open_to_user(self) -> Self {
        Self { from_user: true, ..self }
    }
}

/// The facts about a vector.
#[must_use]
pub const fn vector(number: u8) -> Vector {
    const CODE: bool = true;
    const NONE: bool = false;
    match number {
        DIVIDE_ERROR => exception("divide_error", "#DE", NONE),
        DEBUG => exception("debug", "#DB", NONE).on(IstSlot::Debug),
        NMI => exception("nmi", "NMI", NONE).on(IstSlot::Nmi),
        BREAKPOINT => exception("breakpoint", "#BP", NONE).open_to_user(),
        OVERFLOW => exception("overflow", "#OF", NONE).open_to_user(),
        BOUND_RANGE => exception("bound_range", "#BR", NONE),
        INVALID_OPCODE => exception("invalid_opcode", "#UD", NONE),
        DEVICE_NOT_AVAILABLE => exception("device_not_available", "#NM", NONE),
        DOUBLE_FAULT => exception("double_fault", "#DF", CODE).on(IstSlot::DoubleFault),
        INVALID_TSS => exception("invalid_tss", "#TS", CODE),
        SEGMENT_NOT_PRESENT => exception("segment_not_present", "#NP", CODE),
        STACK_FAULT => exception("stack_fault", "#SS", CODE),
        GENERAL_PROTECTION => exception("general_protection", "#GP", CODE),
        PAGE_FAULT => exception("page_fault", "#PF", CODE),
        X87_FLOATING_POINT => exception("x87_floating_point", "#MF", NONE),
        ALIGNMENT_CHECK => exception("alignment_check", "#AC", CODE),
        MACHINE_CHECK => exception("machine_check", "#MC", NONE).on(IstSlot::MachineCheck),
        SIMD_FLOATING_POINT => exception("simd_floating_point", "#XM", NONE),
        VIRTUALIZATION => exception("virtualization", "#VE", NONE),
        CONTROL_PROTECTION => exception("control_protection", "#CP", CODE),
        HYPERVISOR_INJECTION => exception("hypervisor_injection", "#HV", NONE),
        VMM_COMMUNICATION => exception("vmm_communication", "#VC", CODE),
        SECURITY => exception("security", "#SX", CODE),
        9 | 15 | 22..=27 | 31 => exception("reserved", "reserved", NONE),
        SYSTEM_CALL => exception("system_call_int80", "", NONE).open_to_user(),
        TIMER => exception("timer", "", NONE),
        IPI => exception("ipi", "", NONE),
        APIC_ERROR => exception("controller_error", "", NONE),
        SPURIOUS => exception("spurious", "", NONE),
        _ => exception("device", "", NONE),
    }
}

/// Exceptions that push an error code, and exceptions that have a stack of their own: one bit each.
const MASKS: (u64, u64) = {
    let (mut error_code, mut ist) = (0, 0);
    let mut number = 0;
    while number < FIRST_INTERRUPT {
        let row = vector(number);
        error_code |= (row.error_code as u64) << number;
        ist |= (row.ist.is_some() as u64) << number;
        number += 1;
    }
    (error_code, ist)
};

/// Exceptions that push an error code, one bit each.
pub const ERROR_CODE_MASK: u64 = MASKS.0;
/// Exceptions that have a stack of their own, one bit each.
pub const IST_MASK: u64 = MASKS.1;

const _: () = assert!(
    ERROR_CODE_MASK == 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30,
    "the vectors that push an error code are 8, 10-14, 17, 21, 29 and 30"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exceptions_push_error_codes_or_have_stacks() {
        for number in FIRST_INTERRUPT..=255 {
            let row = vector(number);
            assert!(!row.error_code && row.ist.is_none(), "{number}");
        }
        assert_eq!(IST_MASK, 1 << DEBUG | 1 << NMI | 1 << DOUBLE_FAULT | 1 << MACHINE_CHECK);
    }

    #[test]
    fn ring_3_may_raise_three_vectors_only() {
        let open: Vec<u8> = (0..=255).filter(|number| vector(*number).from_user).collect();
        assert_eq!(open, [BREAKPOINT, OVERFLOW, SYSTEM_CALL]);
    }

    #[test]
    fn exceptions_have_distinct_names() {
        let names: Vec<_> = (0..32).map(|number| vector(number).name).filter(|name| *name != "reserved").collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(names.len(), unique.len());
    }
}
