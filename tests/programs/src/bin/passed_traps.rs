//! Trap instructions that do nothing, for threads that asked for it: PassTraps, its errors, and what ends it.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, Error, PASS_BREAKPOINT, PASS_UNDEFINED, TrapNumber};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::pass_traps;
use programs::raw::message::{SELF, set_fault_handler};
use programs::{check, child, cpus};

entry!(run);

/// What a second instance does: passes traps for a while, and then executes one that is none of those.
const END_AT_UNDEFINED: u64 = 1;

const BOTH: u64 = PASS_BREAKPOINT | PASS_UNDEFINED;
/// Traps of each kind on each CPU.
const TRAPS: u64 = 1000;

fn run(argument: u64) -> u64 {
    match argument {
        END_AT_UNDEFINED => end_at_undefined(),
        _ => cases(),
    }
}

fn cases() -> u64 {
    check!(pass_traps(4) == Err(Error::InvalidArgument), "a mask that is none");
    check!(pass_traps(u64::MAX) == Err(Error::InvalidArgument), "a mask that is none");
    for cpu in 0..cpus() {
        check!(Kernel::move_to_cpu(cpu) == Ok(0), "CPU {cpu} cannot be reached");
        check!(pass_traps(BOTH) == Ok(0), "threads start with 0");
        traps_are_passed_and_counted(cpu);
        other_threads_have_their_own(cpu);
        a_handler_ends_it();
        others_stay_faults(cpu);
    }
    println!("passed_traps: all cases hold on {} CPUs", cpus());
    0
}

fn breakpoint() {
    #[cfg(target_os = "none")]
    // SAFETY: the kernel passes it, with all registers as they were.
    unsafe {
        core::arch::asm!("int3", options(nomem, nostack, preserves_flags));
    }
}

fn undefined() {
    #[cfg(target_os = "none")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("ud2", options(nomem, nostack, preserves_flags));
    }
}

fn traps_are_passed_and_counted(cpu: u64) {
    let counts = || match Kernel::cpu_information(cpu) {
        Ok(information) => [information.exceptions[3], information.exceptions[6]],
        Err(error) => programs::wrong(file!(), format_args!("no information: {error:?}")),
    };
    let before = counts();
    for _ in 0..TRAPS {
        breakpoint();
        undefined();
    }
    let after = counts();
    let taken = [after[0] - before[0], after[1] - before[1]];
    check!(taken == [TRAPS; 2], "{taken:?} traps counted on CPU {cpu}");
    registers_are_kept();
}

fn registers_are_kept() {
    #[cfg(target_os = "none")]
    {
        let (mut first, mut second, mut third): (u64, u64, u64) = (0x1111, 0x2222, 0x3333);
        let carry: u8;
        // SAFETY: only the registers named are changed.
        unsafe {
            core::arch::asm!(
                "stc", "int3", "ud2", "setc {carry}",
                carry = out(reg_byte) carry,
                inout("rax") first, inout("rcx") second, inout("r11") third,
                options(nomem, nostack),
            );
        }
        check!(
            (first, second, third, carry) == (0x1111, 0x2222, 0x3333, 1),
            "{first:#x} {second:#x} {third:#x} {carry}"
        );
    }
}

fn other_threads_have_their_own(cpu: u64) {
    let mask = |_| pass_traps(0).unwrap_or(u64::MAX);
    let thread = Thread::spawn(mask, 0, cpu);
    let Ok(thread) = thread else { programs::wrong(file!(), format_args!("no thread: {thread:?}")) };
    check!(thread.join(20 * SECOND) == Some(0), "a mask was inherited");
}

fn a_handler_ends_it() {
    let endpoint = child::endpoint();
    check!(set_fault_handler(SELF, endpoint) == Ok(0), "no handler");
    check!(pass_traps(PASS_BREAKPOINT) == Err(Error::WrongState), "passed with a debugger");
    check!(set_fault_handler(SELF, 0) == Ok(0), "the handler stays");
    check!(pass_traps(0) == Ok(0), "the mask outlived the handler");
    child::delete(&[endpoint]);
}

fn others_stay_faults(cpu: u64) {
    let child = child::start("passed_traps", END_AT_UNDEFINED, cpu);
    child::resume(&child);
    let end = child::end();
    let (cause, trap) = (end.cause, TrapNumber::from_bits(end.trap));
    let expected = (EndCause::Trap as u64, TrapNumber::UNKNOWN_INSTRUCTION);
    check!((cause, trap) == expected, "the child ended with {end:x?}");
    child::forget(&child);
}

fn end_at_undefined() -> u64 {
    if pass_traps(BOTH) != Ok(0) {
        return 1;
    }
    undefined();
    if pass_traps(PASS_BREAKPOINT) != Ok(BOTH) {
        return 2;
    }
    breakpoint();
    undefined();
    3
}
