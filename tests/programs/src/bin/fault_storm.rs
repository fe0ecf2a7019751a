//! 64 threads on all CPUs fault onto one slow pager: each fault is answered once, whether every thread touches pages of its
//! own or all touch the same ones. A first program, which is the pager.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{Error, MessageTag, REPLY_RESUME, TrapNumber};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MICROSECOND, SECOND};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::{map_into, reply};
use programs::{PAGED_REGION, check, child, cpus, delete, endpoint, exits_well, fault_in_time, forget, rounds, start};

entry!(run);

const THREADS: usize = 64;
/// Pages that each thread touches.
const PAGES: u64 = 8;
/// How long the pager takes for a page: most of the threads wait in its queue meanwhile.
const SLOWNESS: u64 = 200 * MICROSECOND;

/// What the client does, in bit 0 of its argument; bits 8 and up are the number of CPUs.
const OWN_PAGES: u64 = 2;
const SAME_PAGES: u64 = 3;

/// What the threads of a client touch: 1 the same pages, 0 pages of their own.
static SAME: AtomicU64 = AtomicU64::new(0);

fn run(argument: u64) -> u64 {
    if argument != 0 {
        return client(argument & 1, argument >> 8);
    }
    let cpus = cpus();
    rounds(0..cpus, |cpu| {
        let faults = storm(OWN_PAGES, cpu, cpus);
        check!(faults == (THREADS as u64 * PAGES, 0), "pages of their own: {faults:?}");
        let (resolved, late) = storm(SAME_PAGES, cpu, cpus);
        check!(resolved == PAGES && late < THREADS as u64 * PAGES, "the same pages: {resolved} resolved, {late} late");
        println!("fault_storm: {} faults of {THREADS} threads; {resolved} and {late} of the same pages", faults.0);
    });
    println!("fault_storm: all were answered once on {cpus} CPUs");
    0
}

/// Serves a client until it ends; answers how many faults were resolved, and how many came for pages that were there.
fn storm(what: u64, cpu: u64, cpus: u64) -> (u64, u64) {
    let client = child("fault_storm", what | cpus << 8, cpu);
    let faults = endpoint();
    start(client, Some(faults));
    let (mut resolved, mut late) = (0, 0);
    // In the round of its own pages every thread faults once a page; in the other, all faults but the first find the page. How
    // many of those there are depends on who is how fast: each thread says by a fault at address 0 that it is done.
    let mut done = 0;
    while done < THREADS {
        let (_, fault) = fault_in_time(faults);
        check!(fault.cause == TrapNumber::STORE_PAGE_FAULT.to_bits(), "{fault:x?}");
        if fault.address < PAGE_SIZE {
            done += 1;
            check!(skip_the_instruction(), "a thread cannot go on");
            continue;
        }
        let until = Kernel::clock() + SLOWNESS;
        while Kernel::clock() < until {
            core::hint::spin_loop();
        }
        match map_into(client.program, fault.address & !(PAGE_SIZE - 1), PAGE_SIZE) {
            Ok(_) => resolved += 1,
            Err(Error::AlreadyMapped) => late += 1,
            Err(error) => programs::wrong(file!(), format_args!("not mapped: {error:?}")),
        }
        check!(reply(MessageTag::new(REPLY_RESUME, 0), [0; 4]).is_ok(), "not replied");
    }
    exits_well(client);
    forget(client);
    delete(faults);
    (resolved, late)
}

/// Lets the thread go on behind the store that it said it was done with: three bytes, `mov [rax], rax`.
fn skip_the_instruction() -> bool {
    use gatehouse_runtime::abi::REPLY_REGISTERS;
    use programs::raw::message::{first_utcb, read_fault_registers};
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    if read_fault_registers().is_err() {
        return false;
    }
    let mut registers = utcb.registers();
    registers.instruction_pointer += 3;
    utcb.set_registers(&registers);
    reply(MessageTag::new(REPLY_REGISTERS, 0), [0; 4]).is_ok()
}

fn client(same: u64, cpus: u64) -> u64 {
    SAME.store(same, Ordering::Relaxed);
    let threads: [_; THREADS] =
        core::array::from_fn(|number| Thread::spawn(touch, number as u64, number as u64 % cpus));
    for (number, thread) in threads.into_iter().enumerate() {
        match thread {
            Ok(thread) => check!(thread.join(60 * SECOND) == Some(0), "thread {number} does not end"),
            Err(error) => programs::wrong(file!(), format_args!("no thread {number}: {error:?}")),
        }
    }
    0
}

fn touch(number: u64) -> u64 {
    let same = SAME.load(Ordering::Relaxed) == 1;
    for page in 0..PAGES {
        let place = if same { page } else { number * PAGES + page };
        let word = (PAGED_REGION + place * PAGE_SIZE) as *mut u64;
        // SAFETY: the pager maps what is touched; each thread has its own word of a page.
        unsafe { word.add(number as usize).write_volatile(number + 1) };
        // SAFETY: as above.
        let seen = unsafe { word.add(number as usize).read_volatile() };
        check!(seen == number + 1, "page {place} holds {seen} for thread {number}");
    }
    tell_that_it_is_done();
    0
}

/// Stores to address 0, once; the pager lets the thread go on behind the instruction.
fn tell_that_it_is_done() {
    #[cfg(target_os = "none")]
    // SAFETY: nothing is at address 0, so that nothing is written.
    unsafe {
        core::arch::asm!("mov [rax], rax", in("rax") 0_u64, options(nostack));
    }
}
