//! Recorded frames of all vectors, of programs and of the kernel: what no test can raise under QEMU's translator is
//! classified here as it would be on hardware. The values are those of the manuals, not of an emulator.

use gatehouse_abi::TrapNumber;
use iced_x86::InstructionInfoFactory;

use super::access::Interrupted;
use super::classify::classify;
use super::decode::{describe_error_code, trap_number};
use super::frame::TrapFrame;
use super::vectors::vector;
use crate::arch::{Origin, TrapFrame as _};

const USER_CODE: u64 = 0x23;
const KERNEL_CODE: u64 = 0x8;
const RIP: [(u64, u64); 2] = [(USER_CODE, 0x40_0000), (KERNEL_CODE, 0xffff_ffff_8020_1000)];
const CR2: u64 = 0x1234_5678;
const HOLE: u64 = 0x0000_8000_0000_0000;
/// `ud2`, which accesses nothing.
const NO_ACCESS: &[u8] = &[0x0f, 0x0b];

/// Number and address of a frame whose instruction has these bytes; RAX and RSP are as given.
fn classified(frame: TrapFrame, code: &[u8], rax: u64, rsp: Option<u64>) -> (TrapNumber, u64) {
    let mut frame = frame;
    frame.general.rax = rax;
    if let Some(rsp) = rsp {
        frame.set_stack_pointer_unchecked(rsp);
    }
    let start = frame.instruction_pointer();
    let read = |address: u64, target: &mut [u8]| {
        let Some(offset) = address.checked_sub(start) else { return false };
        let Some(bytes) = code.get(offset as usize..offset as usize + target.len()) else { return false };
        target.copy_from_slice(bytes);
        true
    };
    let thread = Interrupted { frame: &frame, fs_base: 0, gs_base: 0, read: &read };
    let number = trap_number(frame.vector() as u8, frame.error_code());
    classify(number, &frame, || CR2, |question| question(&mut InstructionInfoFactory::new(), &thread))
}

/// By vector: the number, whatever the error code, where no access is found. Page faults have their own test.
const BY_VECTOR: [TrapNumber; 32] = {
    use TrapNumber as T;
    let mut table = [T::RESERVED_EXCEPTION; 32];
    table[0] = T::DIVIDE_ERROR;
    table[1] = T::DEBUG;
    table[2] = T::NON_MASKABLE;
    table[3] = T::BREAKPOINT;
    table[4] = T::OVERFLOW;
    table[5] = T::BOUND_RANGE;
    table[6] = T::UNKNOWN_INSTRUCTION;
    table[7] = T::DEVICE_NOT_AVAILABLE;
    table[8] = T::DOUBLE_FAULT;
    table[10] = T::SEGMENT;
    table[11] = T::SEGMENT;
    table[12] = T::PROTECTION;
    table[13] = T::PROTECTION;
    table[14] = T::LOAD_PAGE_FAULT;
    table[16] = T::FLOATING_POINT;
    table[17] = T::UNALIGNED_LOAD;
    table[18] = T::MACHINE_CHECK;
    table[19] = T::FLOATING_POINT;
    table[20] = T::VIRTUALIZATION;
    table[21] = T::CONTROL_PROTECTION;
    table[28] = T::VIRTUALIZATION;
    table[29] = T::VIRTUALIZATION;
    table[30] = T::VIRTUALIZATION;
    table
};

/// Error codes as the processor makes them: none; every table, with and without EXT, first and last index; those of #CP and
/// #VC.
fn error_codes() -> impl Iterator<Item = u64> {
    let selectors = (0..8).flat_map(|low| [0, 1, 5, 0x1fff].map(|index| index << 3 | low));
    selectors.chain([0x72, 0x4000, 0x8000_0003])
}

#[test]
fn recorded_frames_of_every_vector_with_every_kind_of_error_code_have_their_number() {
    for (number, expected) in BY_VECTOR.into_iter().enumerate().filter(|(number, _)| *number != 14) {
        let codes: Vec<u64> = if vector(number as u8).error_code { error_codes().collect() } else { vec![0] };
        for code in codes {
            for (selector, rip) in RIP {
                let frame = TrapFrame::recorded(number as u64, code, selector, rip);
                let (seen, address) = classified(frame, NO_ACCESS, 0, None);
                assert_eq!(seen, expected, "vector {number}, code {code:#x}, CS {selector:#x}");
                // CR2 tells, where a double fault was one of the stack.
                assert_eq!(address, if number == 8 { CR2 } else { 0 }, "vector {number}");
                let origin = if selector == USER_CODE { Origin::User } else { Origin::Kernel };
                assert_eq!(frame.origin(), origin);
                let mut words = String::new();
                describe_error_code(number as u8, code, &mut words).unwrap();
                assert!(words.starts_with(vector(number as u8).mnemonic), "{words}");
            }
        }
    }
}

/// SDM volume 3, "Page-Fault Exceptions": P, W/R, U/S, RSVD, I/D, PK, SS, and SGX.
#[test]
fn recorded_page_faults_with_every_error_code_are_execution_load_or_store() {
    for code in (0..0x80).chain((0..0x80).map(|low| low | 1 << 15)) {
        for (selector, rip) in RIP {
            let (seen, address) = classified(TrapFrame::recorded(14, code, selector, rip), NO_ACCESS, 0, None);
            let expected = match (code & 1 << 4 != 0, code & 1 << 1 != 0) {
                (true, _) => TrapNumber::EXECUTION_PAGE_FAULT,
                (_, true) => TrapNumber::STORE_PAGE_FAULT,
                _ => TrapNumber::LOAD_PAGE_FAULT,
            };
            assert_eq!((seen, address), (expected, CR2), "code {code:#x}");
        }
    }
}

/// The processor reports a branch to a non-canonical address at the branch; QEMU at its target. And it keeps CR2.
#[test]
fn recorded_protection_faults_on_non_canonical_addresses_are_what_the_instruction_does() {
    let cases: [(&[u8], TrapNumber, u64); 6] = [
        (&[0x48, 0x8b, 0x18], TrapNumber::INVALID_MEMORY_LOAD, HOLE), // mov rbx, [rax]
        (&[0x48, 0x89, 0x18], TrapNumber::INVALID_MEMORY_STORE, HOLE), // mov [rax], rbx
        (&[0xf0, 0x48, 0x01, 0x18], TrapNumber::INVALID_MEMORY_STORE, HOLE), // lock add [rax], rbx
        (&[0xff, 0xe0], TrapNumber::INVALID_MEMORY_EXECUTION, HOLE),  // jmp rax
        (&[0x0f, 0x10, 0x40, 0x10], TrapNumber::INVALID_MEMORY_LOAD, HOLE + 0x10), // movups xmm0, [rax + 16]
        (&[0xf4], TrapNumber::PROTECTION, 0),                         // hlt
    ];
    for (code, number, address) in cases {
        for (selector, rip) in RIP {
            let frame = TrapFrame::recorded(13, 0, selector, rip);
            assert_eq!(classified(frame, code, HOLE, None), (number, address), "{code:x?}");
        }
    }
}

/// QEMU raises #GP for these.
#[test]
fn recorded_stack_faults_are_what_the_instruction_does() {
    for (selector, rip) in RIP {
        let frame = TrapFrame::recorded(12, 0, selector, rip);
        let push = classified(frame, &[0x50], 0, Some(HOLE + 8));
        assert_eq!(push, (TrapNumber::INVALID_MEMORY_STORE, HOLE));
        let pop = classified(frame, &[0x58], 0, Some(HOLE));
        assert_eq!(pop, (TrapNumber::INVALID_MEMORY_LOAD, HOLE));
        // A selector that is not present says so by its error code, and is about no address.
        let selector_fault = TrapFrame::recorded(12, 0x30, selector, rip);
        assert_eq!(classified(selector_fault, &[0x50], 0, Some(HOLE + 8)), (TrapNumber::PROTECTION, 0));
    }
}

/// QEMU raises none.
#[test]
fn recorded_alignment_checks_are_load_or_store() {
    for (selector, rip) in RIP {
        let frame = TrapFrame::recorded(17, 0, selector, rip);
        assert_eq!(classified(frame, &[0x8b, 0x18], 0x1001, None), (TrapNumber::UNALIGNED_LOAD, 0x1001));
        assert_eq!(classified(frame, &[0x89, 0x18], 0x1001, None), (TrapNumber::UNALIGNED_STORE, 0x1001));
        // movaps [rax], xmm0: 16 bytes, aligned to 8.
        assert_eq!(classified(frame, &[0x0f, 0x29, 0x00], 0x1008, None), (TrapNumber::UNALIGNED_STORE, 0x1008));
        // Code that cannot be read, being away or gone: a load of who knows what.
        assert_eq!(classified(frame, &[], 0x1001, None), (TrapNumber::UNALIGNED_LOAD, 0));
    }
}

/// The bytes may end with a page behind which nothing is mapped, or may not be there at all any more.
#[test]
fn recorded_frames_whose_instruction_cannot_be_read_keep_the_number_of_their_vector() {
    for (selector, rip) in RIP {
        let frame = TrapFrame::recorded(13, 0, selector, rip);
        assert_eq!(classified(frame, &[], HOLE, None), (TrapNumber::PROTECTION, 0));
        assert_eq!(classified(frame, &[0x48, 0x8b], HOLE, None), (TrapNumber::PROTECTION, 0));
        // With a whole instruction up to the last byte that is there.
        assert_eq!(classified(frame, &[0x48, 0x8b, 0x18], HOLE, None), (TrapNumber::INVALID_MEMORY_LOAD, HOLE));
    }
}
