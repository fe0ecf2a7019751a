//! The kernel looks into an instruction that faulted, and the page is swapped out by then: a first program, and the program whose
//! faults it handles. To be booted with the word `test-hooks`.
//!
//! A processor reads an instruction before it faults, so the page goes between the two. Here the kernel enters the stub of #GP
//! for an instruction that was not read yet (`delivered` does so, too), whose page was swapped out or unmapped. And a thread
//! takes real faults while another one swaps its instruction out again and again.
//!
//! With `lost=N` on the command line the page cannot come back, and the program must end for that reason.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, MessageTag, REPLY_KILL, REPLY_RESUME, SLOT_OWN_PROGRAM, TrapNumber};
use gatehouse_runtime::memory::{IMAGE_BASE, Memory, PAGE_SIZE};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::{Kernel, entry, println};
use programs::child::end;
use programs::raw::control::kill_program;
use programs::raw::message::{reply, swap_out};
use programs::{
    NON_CANONICAL, check, child, cpus, delete, endpoint, fault_in_time, finish, forget, number_in, start, wrong,
};

entry!(run);

/// What becomes of a page before the kernel looks into the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// The second page of the site is swapped out.
    SwappedOut,
    /// It is unmapped.
    Unmapped,
    /// The page that the instruction takes its target from is swapped out.
    TargetSwappedOut,
}

/// An instruction whose page goes. Its site are two pages of code; see `sites`.
struct Case {
    what: &'static str,
    site: u64,
    /// Where the instruction begins, from the beginning of the site.
    offset: u64,
    gone: Gone,
    expected: TrapNumber,
}

const CASES: [Case; 6] = [
    Case {
        what: "load whose page is swapped out",
        site: 0,
        offset: PAGE_SIZE,
        gone: Gone::SwappedOut,
        expected: TrapNumber::INVALID_MEMORY_LOAD,
    },
    Case {
        what: "store whose page is swapped out",
        site: 1,
        offset: PAGE_SIZE,
        gone: Gone::SwappedOut,
        expected: TrapNumber::INVALID_MEMORY_STORE,
    },
    Case {
        what: "load that goes on in a page that is swapped out",
        site: 2,
        offset: PAGE_SIZE - 2,
        gone: Gone::SwappedOut,
        expected: TrapNumber::INVALID_MEMORY_LOAD,
    },
    Case {
        what: "jump to where a page says that is swapped out",
        site: 3,
        offset: PAGE_SIZE - 3,
        gone: Gone::TargetSwappedOut,
        expected: TrapNumber::INVALID_MEMORY_EXECUTION,
    },
    Case {
        what: "load whose page is unmapped",
        site: 0,
        offset: PAGE_SIZE,
        gone: Gone::Unmapped,
        expected: TrapNumber::PROTECTION,
    },
    Case {
        what: "load that goes on in a page that is unmapped",
        site: 2,
        offset: PAGE_SIZE - 2,
        gone: Gone::Unmapped,
        expected: TrapNumber::PROTECTION,
    },
];

/// The argument of the program that takes real faults; those of cases are their place, counted from 1.
const RACE: u64 = 100;
/// Faults of the race.
const ROUNDS: u64 = 300;
/// #GP.
const GENERAL_PROTECTION: usize = 13;
/// The CPU of the children.
const THERE: u64 = 1;

const fn site(number: u64) -> u64 {
    IMAGE_BASE + number * 2 * PAGE_SIZE
}

fn run(argument: u64) -> u64 {
    match argument {
        0 => handle_all(),
        RACE => take_real_faults(),
        case => take(&CASES[case as usize - 1]),
    }
}

fn handle_all() -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    if let Some(reason) = number_in(line, "lost=") {
        lose(reason);
        return finish(0);
    }
    let Ok(swap) = Kernel::swap_information() else { return 1 };
    for (place, case) in CASES.iter().enumerate() {
        // From a disk the page takes its time: then the instruction is executed again, and faults by itself.
        let again = swap.store == 2 && case.gone != Gone::Unmapped;
        handle(place as u64 + 1, case, if again { 2 } else { 1 });
    }
    let (taken, back) = race();
    println!("decode_swapped_out: {} cases and {ROUNDS} faults hold, store {}", CASES.len(), swap.store);
    println!("decode_swapped_out: {taken} faults were taken for those, and {back} pages came back");
    finish(0)
}

/// #GP that the CPU of the children has counted.
fn faults_there() -> u64 {
    match Kernel::cpu_information(THERE) {
        Ok(cpu) => cpu.exceptions[GENERAL_PROTECTION],
        Err(error) => wrong(file!(), format_args!("no CPU {THERE}: {error:?}")),
    }
}

fn came_back() -> u64 {
    Kernel::swap_information().map_or(0, |swap| swap.pages_in)
}

fn handle(argument: u64, case: &Case, faults: u64) {
    let what = case.what;
    let (faults_before, back_before) = (faults_there(), came_back());
    let victim = child("decode_swapped_out", argument, THERE);
    let handler = endpoint();
    start(victim, Some(handler));
    let (_, fault) = fault_in_time(handler);
    let number = TrapNumber::from_bits(fault.cause);
    check!(number == case.expected, "{what}: {number}, {fault:x?}");
    let at = site(case.site) + case.offset;
    match number {
        TrapNumber::PROTECTION => check!(fault.address == at, "{what}: {fault:x?}"),
        _ => check!(fault.address == NON_CANONICAL, "{what}: {fault:x?}"),
    }
    // A processor tells the jump, QEMU its target.
    let arrived = number == TrapNumber::INVALID_MEMORY_EXECUTION && fault.program_counter == NON_CANONICAL;
    check!(fault.program_counter == at || arrived, "{what}, expected at {at:#x}: {fault:x?}");
    let (taken, back) = (faults_there() - faults_before, came_back() - back_before);
    check!(taken == faults, "{what}: {taken} faults, expected {faults}");
    check!((back == 0) == (case.gone == Gone::Unmapped), "{what}: {back} pages came back");
    check!(reply(MessageTag::new(REPLY_KILL, 0), [0; 4]).is_ok(), "{what}: no reply");
    let end = end();
    check!(end.cause == EndCause::Trap as u64 && end.trap == case.expected.to_bits(), "{what}: {end:x?}");
    forget(victim);
    delete(handler);
}

/// The page cannot come back: the program ends, and its handler hears nothing.
fn lose(reason: u64) {
    let victim = child("decode_swapped_out", 1, THERE);
    let handler = endpoint();
    start(victim, Some(handler));
    let end = end();
    println!("decode_swapped_out: the program ended: {end}");
    check!(end.cause == EndCause::PageLost as u64 && end.status == reason, "{end:x?}");
    check!(end.address & !(PAGE_SIZE - 1) == site(0) + PAGE_SIZE, "{end:x?}");
    forget(victim);
    delete(handler);
}

/// Real faults, one after the other, at an instruction that comes and goes; answers how many were taken, those
/// that the page was not there for included, and how many pages came back.
fn race() -> (u64, u64) {
    let (faults_before, back_before) = (faults_there(), came_back());
    let victim = child("decode_swapped_out", RACE, THERE);
    let handler = endpoint();
    start(victim, Some(handler));
    for round in 0..ROUNDS {
        let (_, fault) = fault_in_time(handler);
        let right = fault.cause == TrapNumber::INVALID_MEMORY_LOAD.to_bits()
            && fault.address == NON_CANONICAL
            && fault.program_counter == site(0) + PAGE_SIZE;
        check!(right, "round {round}: {fault:x?}");
        // The same instruction again.
        check!(reply(MessageTag::new(REPLY_RESUME, 0), [0; 4]).is_ok(), "round {round}: no reply");
    }
    check!(kill_program(victim.program) == Ok(0), "KillProgram");
    let end = end();
    check!(end.cause == EndCause::Killed as u64, "{end:x?}");
    forget(victim);
    delete(handler);
    let (taken, back) = (faults_there() - faults_before, came_back() - back_before);
    check!(taken >= ROUNDS && back > 0, "{taken} faults, {back} pages came back");
    (taken, back)
}

/// Has a page go, and the kernel believe that the instruction there has faulted.
fn take(case: &Case) -> u64 {
    let target = Memory::map(PAGE_SIZE);
    let Ok(target) = target else { wrong(file!(), format_args!("no memory: {target:?}")) };
    // SAFETY: the page was mapped just now.
    unsafe { (target.address() as *mut u64).write_volatile(NON_CANONICAL) };
    let page = if case.gone == Gone::TargetSwappedOut { target.address() } else { site(case.site) + PAGE_SIZE };
    let gone = match case.gone {
        // SAFETY: code that only `deliver` leads to, which is to find it missing.
        Gone::Unmapped => unsafe { Kernel::unmap_memory(page, PAGE_SIZE) }.map(|_| PAGE_SIZE),
        Gone::SwappedOut | Gone::TargetSwappedOut => swap_out(SLOT_OWN_PROGRAM, page, PAGE_SIZE),
    };
    check!(gone == Ok(PAGE_SIZE), "{}: {gone:?}", case.what);
    let operand = if case.gone == Gone::TargetSwappedOut { target.address() } else { NON_CANONICAL };
    // `syscall` has two bytes, and stands before the instruction.
    sites::deliver(site(case.site) + case.offset - 2, GENERAL_PROTECTION as u64, operand);
    1
}

fn take_real_faults() -> u64 {
    let other = Thread::spawn(swap_all_the_time, 0, (THERE + 1) % cpus());
    check!(other.is_ok(), "no second thread");
    sites::deliver(site(0) + PAGE_SIZE, 0, NON_CANONICAL);
    1
}

fn swap_all_the_time(_argument: u64) -> u64 {
    loop {
        let gone = swap_out(SLOT_OWN_PROGRAM, site(0) + PAGE_SIZE, PAGE_SIZE);
        check!(gone.is_ok(), "SwapOut: {gone:?}");
    }
}

#[cfg(target_os = "none")]
mod sites {
    use gatehouse_runtime::abi::{SystemCall, TestHook};

    // Two pages each: a `syscall`, and the instruction in question right behind it.
    core::arch::global_asm!(
        ".pushsection .text.first, \"ax\", @progbits",
        ".balign 4096",
        // 0: a load at the beginning of the second page.
        ".fill 4094, 1, 0xcc",
        "syscall",
        "mov rax, [rbp]",
        "ud2",
        ".balign 4096, 0xcc",
        // 1: a store there.
        ".fill 4094, 1, 0xcc",
        "syscall",
        "mov [rbp], rax",
        "ud2",
        ".balign 4096, 0xcc",
        // 2: a load of seven bytes, two of which are in the first page: `mov rax, [rbp + 0]` with four bytes of 0.
        ".fill 4092, 1, 0xcc",
        "syscall",
        ".byte 0x48, 0x8b, 0x85, 0, 0, 0, 0",
        "ud2",
        ".balign 4096, 0xcc",
        // 3: a jump through memory, the last three bytes of the first page.
        ".fill 4091, 1, 0xcc",
        "syscall",
        "jmp qword ptr [rbp]",
        ".balign 4096, 0xcc",
        "ud2",
        ".balign 4096, 0xcc",
        ".popsection",
    );

    /// Jumps to `address`, with RBP as `operand` and the registers of the call that has an exception delivered, without error
    /// code. Comes back never: what is there ends in a fault.
    pub(crate) fn deliver(address: u64, vector: u64, operand: u64) {
        // SAFETY: the faults that follow are what this program is for; nothing is executed behind them.
        unsafe {
            core::arch::asm!(
                "mov rbp, {operand}",
                "jmp {address}",
                operand = in(reg) operand,
                address = in(reg) address,
                in("rax") SystemCall::TestHook as u64,
                in("rdi") TestHook::ExceptionInProgram as u64,
                in("rsi") vector,
                options(noreturn),
            );
        }
    }
}

#[cfg(not(target_os = "none"))]
mod sites {
    pub(crate) fn deliver(address: u64, vector: u64, operand: u64) {
        panic!("{address:#x} {vector} {operand:#x}: this program was not built for Gatehouse")
    }
}
