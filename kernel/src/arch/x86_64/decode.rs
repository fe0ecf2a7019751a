//! Vectors and error codes in words and in [`TrapNumber`]s. Pure: tested on recorded values.

use core::fmt;

use gatehouse_abi::TrapNumber;
use x86_64::structures::idt::{DescriptorTable, PageFaultErrorCode, SelectorErrorCode};

use super::machine_check::BankStatus;
use super::vectors;

/// What an exception or interrupt is, given its error code.
#[must_use]
#[inline(always)]
pub fn trap_number(vector: u8, error_code: u64) -> TrapNumber {
    if vector == vectors::PAGE_FAULT { page_fault_number(error_code) } else { TABLE[usize::from(vector)] }
}

/// What a page fault is.
#[must_use]
#[inline(always)]
pub fn page_fault_number(error_code: u64) -> TrapNumber {
    let code = PageFaultErrorCode::from_bits_truncate(error_code);
    if code.contains(PageFaultErrorCode::INSTRUCTION_FETCH) {
        TrapNumber::EXECUTION_PAGE_FAULT
    } else if code.contains(PageFaultErrorCode::CAUSED_BY_WRITE) {
        TrapNumber::STORE_PAGE_FAULT
    } else {
        TrapNumber::LOAD_PAGE_FAULT
    }
}

/// By vector, page faults aside.
static TABLE: [TrapNumber; 256] = {
    let mut table = [TrapNumber::DEVICE; 256];
    let mut vector = 0;
    while vector < table.len() {
        table[vector] = by_vector(vector as u8);
        vector += 1;
    }
    table
};

const fn by_vector(vector: u8) -> TrapNumber {
    match vector {
        vectors::DIVIDE_ERROR => TrapNumber::DIVIDE_ERROR,
        vectors::DEBUG => TrapNumber::DEBUG,
        vectors::NMI => TrapNumber::NON_MASKABLE,
        vectors::BREAKPOINT => TrapNumber::BREAKPOINT,
        vectors::OVERFLOW => TrapNumber::OVERFLOW,
        vectors::BOUND_RANGE => TrapNumber::BOUND_RANGE,
        vectors::INVALID_OPCODE => TrapNumber::UNKNOWN_INSTRUCTION,
        vectors::DEVICE_NOT_AVAILABLE => TrapNumber::DEVICE_NOT_AVAILABLE,
        vectors::DOUBLE_FAULT => TrapNumber::DOUBLE_FAULT,
        vectors::INVALID_TSS | vectors::SEGMENT_NOT_PRESENT => TrapNumber::SEGMENT,
        vectors::STACK_FAULT | vectors::GENERAL_PROTECTION => TrapNumber::PROTECTION,
        vectors::PAGE_FAULT => TrapNumber::LOAD_PAGE_FAULT,
        vectors::X87_FLOATING_POINT | vectors::SIMD_FLOATING_POINT => TrapNumber::FLOATING_POINT,
        vectors::ALIGNMENT_CHECK => TrapNumber::UNALIGNED_LOAD,
        vectors::MACHINE_CHECK => TrapNumber::MACHINE_CHECK,
        vectors::CONTROL_PROTECTION => TrapNumber::CONTROL_PROTECTION,
        vectors::VIRTUALIZATION | vectors::HYPERVISOR_INJECTION | vectors::VMM_COMMUNICATION | vectors::SECURITY => {
            TrapNumber::VIRTUALIZATION
        }
        9 | 15 | 22..=27 | 31 => TrapNumber::RESERVED_EXCEPTION,
        vectors::SYSTEM_CALL => TrapNumber::SYSTEM_CALL,
        vectors::TIMER => TrapNumber::TIMER,
        vectors::IPI => TrapNumber::IPI,
        vectors::APIC_ERROR => TrapNumber::CONTROLLER_ERROR,
        vectors::SPURIOUS => TrapNumber::SPURIOUS,
        _ => TrapNumber::DEVICE,
    }
}

/// Writes the error code of an exception in words (Intel SDM volume 3, "Error Code" and "Interrupt 14—Page-Fault
/// Exception (#PF)").
///
/// # Errors
/// Whatever the writer answers.
pub fn describe_error_code(vector: u8, error_code: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    let row = vectors::vector(vector);
    out.write_str(row.mnemonic)?;
    match vector {
        vectors::PAGE_FAULT => describe_page_fault(error_code, out),
        vectors::GENERAL_PROTECTION | vectors::STACK_FAULT | vectors::INVALID_TSS | vectors::SEGMENT_NOT_PRESENT => {
            describe_selector(error_code, out)
        }
        // Not the processor's, but the status of the bank that decided.
        vectors::MACHINE_CHECK if error_code != 0 => write!(out, " {}", BankStatus(error_code)),
        _ if row.error_code && error_code != 0 => write!(out, " error code {error_code:#x}"),
        _ => Ok(()),
    }
}

fn describe_page_fault(error_code: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    let code = PageFaultErrorCode::from_bits_truncate(error_code);
    let access = match page_fault_number(error_code) {
        TrapNumber::EXECUTION_PAGE_FAULT => "execution of",
        TrapNumber::STORE_PAGE_FAULT => "store to",
        _ => "load from",
    };
    let page = if code.contains(PageFaultErrorCode::MALFORMED_TABLE) {
        "a page with reserved table bits set"
    } else if code.contains(PageFaultErrorCode::PROTECTION_VIOLATION) {
        "a page that forbids it"
    } else {
        "an unmapped page"
    };
    let ring = if code.contains(PageFaultErrorCode::USER_MODE) { "user" } else { "kernel" };
    write!(out, " {access} {page} in {ring} mode")?;
    let named = PageFaultErrorCode::PROTECTION_VIOLATION
        | PageFaultErrorCode::CAUSED_BY_WRITE
        | PageFaultErrorCode::USER_MODE
        | PageFaultErrorCode::MALFORMED_TABLE
        | PageFaultErrorCode::INSTRUCTION_FETCH;
    let rest = error_code & !named.bits();
    if rest == 0 { Ok(()) } else { write!(out, " with error bits {rest:#x}") }
}

fn describe_selector(error_code: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    if error_code == 0 {
        return out.write_str(" by the instruction or its address");
    }
    let Some(code) = SelectorErrorCode::new(error_code) else {
        return write!(out, " error code {error_code:#x}");
    };
    let table = match code.descriptor_table() {
        DescriptorTable::Idt => "IDT",
        DescriptorTable::Gdt => "GDT",
        _ => "LDT",
    };
    write!(out, " by {table} entry {}", code.index())?;
    if code.external() { out.write_str(", external event") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(vector: u8, error_code: u64) -> String {
        let mut out = String::new();
        describe_error_code(vector, error_code, &mut out).unwrap();
        out
    }

    #[test]
    fn page_faults_are_told_apart_by_the_access() {
        assert_eq!(trap_number(14, 0b0_0100), TrapNumber::LOAD_PAGE_FAULT);
        assert_eq!(trap_number(14, 0b0_0110), TrapNumber::STORE_PAGE_FAULT);
        assert_eq!(trap_number(14, 0b1_0100), TrapNumber::EXECUTION_PAGE_FAULT);
        assert_eq!(trap_number(14, 0b1_0111), TrapNumber::EXECUTION_PAGE_FAULT);
    }

    #[test]
    fn every_exception_is_internal_but_nmi_and_every_interrupt_external() {
        for vector in 0..=u8::MAX {
            let external = trap_number(vector, 0).is_external();
            let expected = vector == vectors::NMI || (vector >= 32 && vector != vectors::SYSTEM_CALL);
            assert_eq!(external, expected, "{vector}");
            assert_ne!(trap_number(vector, 0).description(), "unnamed trap", "{vector}");
        }
    }

    #[test]
    fn causes_read_as_sentences() {
        assert_eq!(text(14, 6), "#PF store to an unmapped page in user mode");
        assert_eq!(text(14, 0x15), "#PF execution of a page that forbids it in user mode");
        assert_eq!(text(14, 0xd), "#PF load from a page with reserved table bits set in user mode");
        assert_eq!(text(14, 0x25), "#PF load from a page that forbids it in user mode with error bits 0x20");
        assert_eq!(text(13, 0), "#GP by the instruction or its address");
        assert_eq!(text(13, 5 * 8 + 2), "#GP by IDT entry 5");
        assert_eq!(text(6, 0), "#UD");
        assert_eq!(text(17, 0), "#AC");
    }
}
