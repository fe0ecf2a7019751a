//! What a fault leaves in the faulting thread's own message buffer: cause, address and program counter, as its handler is told them.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{FaultMessage, MessageTag, REPLY_REGISTERS, TrapNumber};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{SELF, Utcb, first_utcb, read_fault_registers, reply, set_fault_handler};
use programs::{UNMAPPED, check, child, cpus};

entry!(run);

/// The words of a fault that a thread finds in its own buffer.
const WORDS: [usize; 3] = [FaultMessage::CAUSE, FaultMessage::ADDRESS, FaultMessage::PROGRAM_COUNTER];

static ENDPOINT: AtomicU64 = AtomicU64::new(0);
/// What the handler was told.
static TOLD: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

fn run(_argument: u64) -> u64 {
    for cpu in 0..cpus() {
        for elsewhere in [0, 1] {
            check!(Kernel::move_to_cpu((cpu + elsewhere) % cpus()) == Ok(0), "CPU {cpu} cannot be reached");
            words_are_those_that_the_handler_is_told(cpu);
        }
    }
    println!("fault_words: all cases hold on {} CPUs", cpus());
    0
}

/// The handler waits, or comes later, on the same CPU or another.
fn words_are_those_that_the_handler_is_told(cpu: u64) {
    let endpoint = child::endpoint();
    ENDPOINT.store(endpoint, Ordering::SeqCst);
    let faulting = Thread::spawn_with_utcb(fault_twice, 0, cpu);
    let Ok(faulting) = faulting else { programs::wrong(file!(), format_args!("no thread: {faulting:?}")) };
    for (cause, length) in [(TrapNumber::UNKNOWN_INSTRUCTION, 2), (TrapNumber::LOAD_PAGE_FAULT, 3)] {
        let fault = child::fault(endpoint);
        check!(fault.cause == cause.to_bits(), "another fault: {fault:x?}");
        for (place, word) in TOLD.iter().zip([fault.cause, fault.address, fault.program_counter]) {
            place.store(word, Ordering::SeqCst);
        }
        check!(read_fault_registers() == Ok(0), "no registers");
        // SAFETY: only the first thread comes here.
        let utcb = unsafe { first_utcb() };
        let mut registers = utcb.registers();
        registers.instruction_pointer += length;
        utcb.set_registers(&registers);
        check!(reply(MessageTag::new(REPLY_REGISTERS, 0), [0; 4]) == Ok(0), "not replied");
    }
    check!(faulting.join(20 * SECOND) == Some(0), "the faulting thread found other words in its buffer");
    child::delete(&[endpoint]);
}

fn fault_twice(_argument: u64, utcb: Utcb) -> u64 {
    check!(set_fault_handler(SELF, ENDPOINT.load(Ordering::SeqCst)) == Ok(0), "not bound");
    let mut wrong = 0;
    for fault in [undefined, load] {
        WORDS.iter().for_each(|word| utcb.set(*word, 0xdead_beef));
        fault();
        let told = WORDS.iter().zip(&TOLD).all(|(word, told)| utcb.get(*word) == told.load(Ordering::SeqCst));
        wrong += u64::from(!told);
    }
    wrong
}

fn undefined() {
    #[cfg(target_os = "none")]
    // SAFETY: the handler goes on behind the instruction.
    unsafe {
        core::arch::asm!("ud2", options(nostack));
    }
}

/// An instruction of three bytes that loads from where nothing is mapped.
fn load() {
    #[cfg(target_os = "none")]
    // SAFETY: the handler goes on behind the instruction.
    unsafe {
        core::arch::asm!("mov rcx, [rax]", in("rax") UNMAPPED, out("rcx") _, options(nostack, readonly));
    }
    #[cfg(not(target_os = "none"))]
    let _unmapped = UNMAPPED;
}
