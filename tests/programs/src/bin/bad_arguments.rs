//! Every system call with arguments that it must refuse, by both entry points. Nothing but errors may come back, and nothing
//! else may happen.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{
    ANY_CPU, Error, INFORMATION_CPU, INFORMATION_PROGRAM_NAME, INFORMATION_SYSTEM, SystemCall, TestHook,
};
use gatehouse_runtime::entry_point::{EntryPoint, Int80, Syscall};
use gatehouse_runtime::memory::{IMAGE_BASE, Memory, PAGE_SIZE};
use gatehouse_runtime::{Kernel, entry};
use programs::{KERNEL_DIRECT_MAP, KERNEL_IMAGE, UNMAPPED, check};

entry!(run);

/// Addresses of which no byte belongs to the program: null, unmapped, non-canonical, the kernel's, the last ones.
const NOT_OURS: [u64; 7] = [0, UNMAPPED, 0x8000_0000_0000, 1 << 63, KERNEL_DIRECT_MAP, KERNEL_IMAGE, u64::MAX - 15];

/// Numbers that are no CPU.
const NO_CPUS: [u64; 3] = [1 << 20, 1 << 32, u64::MAX - 1];

fn run(_argument: u64) -> u64 {
    by_entry_point::<Syscall>();
    by_entry_point::<Int80>();
    no_addresses();
    0
}

/// Where the kernel's tables and stacks lie is nobody's business but the first program's.
fn no_addresses() {
    let Ok(cpu) = Kernel::cpu_information(0) else { programs::wrong(file!(), format_args!("no CPU 0")) };
    let tables = [cpu.block, cpu.gdt, cpu.tss];
    let stacks = [cpu.ist_nmi, cpu.ist_double_fault, cpu.ist_machine_check, cpu.ist_debug];
    let interrupt_stack = [cpu.interrupt_stack_base, cpu.interrupt_stack_top];
    check!(tables == [0; 3] && stacks == [0; 4] && interrupt_stack == [0; 2], "addresses of the kernel: {cpu:x?}");
}

fn by_entry_point<E: EntryPoint>() {
    unknown_numbers::<E>();
    buffers_to_read::<E>();
    buffers_to_write::<E>();
    numbers::<E>();
    memory::<E>();
    only_for_the_first_program::<E>();
    only_with_test_hooks::<E>();
}

/// Makes a call that must be refused, and checks that it is.
fn refused<E: EntryPoint>(call: SystemCall, arguments: [u64; 6]) -> Error {
    // SAFETY: where the kernel would write, it must refuse to: each caller gives an address that is not the program's, or
    // another argument that makes the call fail before. If the kernel writes all the same, that is the bug to find.
    let answer = Error::from_register(unsafe { E::call(call, arguments) });
    match answer {
        Err(error) => error,
        Ok(answer) => {
            check!(false, "{call:?} with {arguments:#x?} answered {answer:#x}");
            unreachable!("`check!` ends the program")
        }
    }
}

fn unknown_numbers<E: EntryPoint>() {
    let known = SystemCall::ALL.len() as u64;
    // The number is all of RAX: low bits that are a known number do not make it one.
    for number in [known, known + 1, 1 << 31, 1 << 32, 1 << 32 | 4, 1 << 63, u64::MAX - 1, u64::MAX] {
        // SAFETY: no call has this number.
        let answer = Error::from_register(unsafe { E::call_number(number, [u64::MAX; 6]) });
        check!(answer == Err(Error::UnknownSystemCall), "call number {number:#x}: {answer:x?}");
    }
}

fn buffers_to_read<E: EntryPoint>() {
    for address in NOT_OURS {
        refused::<E>(SystemCall::DebugWrite, [address, 16, 0, 0, 0, 0]);
    }
    let memory = page();
    let end = memory.end();
    // Half of it mapped; far too long; an end that wraps around.
    refused::<E>(SystemCall::DebugWrite, [end - 8, 16, 0, 0, 0, 0]);
    refused::<E>(SystemCall::DebugWrite, [IMAGE_BASE, 4097, 0, 0, 0, 0]);
    refused::<E>(SystemCall::DebugWrite, [IMAGE_BASE, u64::MAX, 0, 0, 0, 0]);
    refused::<E>(SystemCall::DebugWrite, [IMAGE_BASE, (1 << 63) - 1, 0, 0, 0, 0]);
    refused::<E>(SystemCall::DebugWrite, [end - 8, 0u64.wrapping_sub(end - 16), 0, 0, 0, 0]);
}

fn buffers_to_write<E: EntryPoint>() {
    for address in NOT_OURS {
        refused::<E>(SystemCall::Information, [INFORMATION_SYSTEM, 0, address, 4096, 0, 0]);
        refused::<E>(SystemCall::WaitProgram, [address, 0, 0, 0, 0, 0]);
    }
    // Its own code, which is not writable.
    refused::<E>(SystemCall::Information, [INFORMATION_SYSTEM, 0, IMAGE_BASE, 4096, 0, 0]);
    refused::<E>(SystemCall::WaitProgram, [IMAGE_BASE, 0, 0, 0, 0, 0]);
    let memory = page();
    let (start, end) = (memory.address(), memory.end());
    refused::<E>(SystemCall::Information, [INFORMATION_SYSTEM, 0, end - 8, 4096, 0, 0]);
    let error = refused::<E>(SystemCall::Information, [INFORMATION_SYSTEM, 0, start, 8, 0, 0]);
    check!(error == Error::BufferTooSmall, "8 bytes for the system information: {error:?}");
    refused::<E>(SystemCall::Information, [INFORMATION_CPU, NO_CPUS[0], start, PAGE_SIZE, 0, 0]);
    refused::<E>(SystemCall::Information, [INFORMATION_CPU, u64::MAX, start, PAGE_SIZE, 0, 0]);
    refused::<E>(SystemCall::Information, [INFORMATION_PROGRAM_NAME, u64::MAX, start, PAGE_SIZE, 0, 0]);
    refused::<E>(SystemCall::Information, [u64::MAX, 0, start, PAGE_SIZE, 0, 0]);
    // It has started no program.
    refused::<E>(SystemCall::WaitProgram, [start, 0, 0, 0, 0, 0]);
}

fn numbers<E: EntryPoint>() {
    for cpu in NO_CPUS {
        refused::<E>(SystemCall::MoveToCpu, [cpu, 0, 0, 0, 0, 0]);
        refused::<E>(SystemCall::SpawnThread, [IMAGE_BASE, IMAGE_BASE, 0, cpu, 0, 0]);
    }
    for address in [0x8000_0000_0000, 1 << 63, KERNEL_DIRECT_MAP, KERNEL_IMAGE, u64::MAX] {
        refused::<E>(SystemCall::SpawnThread, [address, IMAGE_BASE, 0, ANY_CPU, 0, 0]);
        refused::<E>(SystemCall::SpawnThread, [IMAGE_BASE, address, 0, ANY_CPU, 0, 0]);
    }
    refused::<E>(SystemCall::SetBase, [2, 0, 0, 0, 0, 0]);
    refused::<E>(SystemCall::SetBase, [u64::MAX, 0, 0, 0, 0, 0]);
    for which in [0, 1] {
        for address in [0x8000_0000_0000, 0xffff_7fff_ffff_ffff, 1 << 63] {
            refused::<E>(SystemCall::SetBase, [which, address, 0, 0, 0, 0]);
        }
    }
}

fn memory<E: EntryPoint>() {
    let mapped = page();
    let (start, end) = (mapped.address(), mapped.end());
    let free = end + PAGE_SIZE;
    let bad_ranges = [
        (free + 1, PAGE_SIZE),
        (free, 0),
        (0, PAGE_SIZE),
        (free, u64::MAX),
        (free, 0u64.wrapping_sub(free)),
        (free, 1 << 62),
        (free, 1 << 40),
        (0x7fff_ffff_f000, PAGE_SIZE),
        (0x7fff_ffff_e000, 1 << 20),
        (0x8000_0000_0000, PAGE_SIZE),
        (KERNEL_DIRECT_MAP, PAGE_SIZE),
        (KERNEL_IMAGE, PAGE_SIZE),
        (0u64.wrapping_sub(PAGE_SIZE), PAGE_SIZE),
        (0u64.wrapping_sub(PAGE_SIZE), 2 * PAGE_SIZE),
    ];
    for (address, length) in bad_ranges {
        refused::<E>(SystemCall::MapMemory, [address, length, 0, 0, 0, 0]);
        refused::<E>(SystemCall::UnmapMemory, [address, length, 0, 0, 0, 0]);
    }
    // Mapped already, wholly or in part.
    refused::<E>(SystemCall::MapMemory, [start, PAGE_SIZE, 0, 0, 0, 0]);
    refused::<E>(SystemCall::MapMemory, [start - PAGE_SIZE, 2 * PAGE_SIZE, 0, 0, 0, 0]);
    refused::<E>(SystemCall::MapMemory, [IMAGE_BASE, PAGE_SIZE, 0, 0, 0, 0]);
    // Not mapped.
    refused::<E>(SystemCall::UnmapMemory, [free, PAGE_SIZE, 0, 0, 0, 0]);
    // The page is still there, and still the program's.
    let word = start as *mut u64;
    // SAFETY: `mapped` owns the page and is alive.
    let seen = unsafe {
        word.write_volatile(7);
        word.read_volatile()
    };
    check!(seen == 7, "the page holds {seen}");
    check!(mapped.unmap().is_ok(), "the page cannot be unmapped");
}

fn only_for_the_first_program<E: EntryPoint>() {
    for arguments in [[IMAGE_BASE, 4, 0, 0, 0, 0], [0, u64::MAX, u64::MAX, u64::MAX, 0, 0]] {
        for call in [SystemCall::SpawnProgram, SystemCall::Record, SystemCall::ShutDown] {
            let error = refused::<E>(call, arguments);
            check!(error == Error::NotPermitted, "{call:?} with {arguments:#x?}: {error:?}");
        }
    }
}

/// The suite's machine is not booted with the word that opens it.
fn only_with_test_hooks<E: EntryPoint>() {
    for hook in TestHook::ALL {
        let error = refused::<E>(SystemCall::TestHook, [hook as u64, 0, 0, 0, 0, 0]);
        check!(error == Error::NotPermitted, "{hook:?}: {error:?}");
    }
}

/// A page of the program's, with unmapped ones beside it.
fn page() -> Memory {
    match Memory::map(PAGE_SIZE) {
        Ok(memory) => memory,
        Err(error) => {
            check!(false, "no page: {error:?}");
            unreachable!("`check!` ends the program")
        }
    }
}
