//! Overflows of kernel stacks that only the program pays for that they happened for: to be run as the first program with
//! `test-hooks case=NAME` on the kernel's command line. Children fail, the first program looks at how they ended and at what
//! is left.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, Error, ProgramEnd, SystemInformation, TestHook, TrapNumber};
use gatehouse_runtime::register_pattern::{START_FLAGS, TRAP_FLAG};
use gatehouse_runtime::test_hook::test_hook;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::{check, enter_site, nothing_is_left, sites, use_everything};

entry!(run);

/// What a child does, by its argument.
const INTERRUPT_STACK: u64 = 1;
const DEBUG_STACK: u64 = 2;
/// And this, or more by the vector that it is to spin for.
const SPIN: u64 = 3;

/// Vectors whose handlers have a stack of their own.
const DEBUG: u64 = 1;
const NMI: u64 = 2;
const MACHINE_CHECK: u64 = 18;

/// Overflows of each kind on each CPU.
const ROUNDS: u64 = 16;

/// Bytes of the stacks: `kernel/src/start/cpus.rs`.
const IST_STACK_BYTES: u64 = 16 * 1024;

fn run(argument: u64) -> u64 {
    match argument {
        0 => parent(),
        INTERRUPT_STACK => {
            let answer = hook(TestHook::OverflowInterruptStack, 0);
            println!("contained_overflow: the overflow came back: {answer:?}");
            1
        }
        DEBUG_STACK => {
            let asked = hook(TestHook::OverflowNextHandler, DEBUG);
            check!(asked.is_ok(), "{asked:?}");
            // SAFETY: site 0 is below.
            unsafe { enter_site(0, START_FLAGS | TRAP_FLAG) }
        }
        spin => {
            println!("contained_overflow: ready for vector {}", spin - SPIN);
            loop {
                core::hint::spin_loop();
            }
        }
    }
}

sites! {
    0 => "push rdi\npopfq\nnop\nnop",
}

fn parent() -> u64 {
    // Before anything is counted: this thread's floating-point state takes memory once.
    use_everything();
    let mut buffer = [0; 256];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    match line.split_whitespace().find_map(|word| word.strip_prefix("case=")).unwrap_or("") {
        "interrupt-stack" => on_all_cpus_at_once(),
        "debug-stack" => one_by_one(),
        "nmi-stack" => from_outside(NMI),
        "second-nmi-stack" => {
            take_nmi();
            from_outside(NMI)
        }
        "machine-check-stack" => from_outside(MACHINE_CHECK),
        other => {
            println!("contained_overflow: no case {other:?} in {line:?}");
            1
        }
    }
}

/// The children of all CPUs overflow the interrupt stacks of all CPUs, again and again.
fn on_all_cpus_at_once() -> u64 {
    let cpus = programs::cpus();
    let mut before = None;
    for round in 0..ROUNDS {
        // Lists grow once.
        before = before.or_else(|| (round == 1).then(settled_facts));
        (0..cpus).for_each(|cpu| start(INTERRUPT_STACK, cpu));
        for _ in 0..cpus {
            let end = ended();
            check!(end.instruction_pointer >> 63 == 1, "round {round}: not in the kernel: {end:?}");
            check!(end.trap == TrapNumber::DOUBLE_FAULT.to_bits() && end.vector == 8, "round {round}: {end:?}");
            let stack = stack_of(end.cpu);
            check!(stack.0 - 4096 <= end.address && end.address < stack.0, "round {round}: address {:#x}", end.address);
        }
    }
    all_is_well(before.as_ref());
    println!("contained_overflow: {} overflows contained on {cpus} CPUs", ROUNDS * cpus);
    0
}

/// One child after the other overflows the debug stack of its CPU.
fn one_by_one() -> u64 {
    let cpus = programs::cpus();
    let mut before = None;
    for number in 0..cpus * ROUNDS {
        before = before.or_else(|| (number == cpus).then(settled_facts));
        let cpu = number % cpus;
        start(DEBUG_STACK, cpu);
        let end = ended();
        let base = Kernel::cpu_information(cpu).map_or(0, |cpu| cpu.ist_debug) - IST_STACK_BYTES;
        check!(end.cpu == cpu && base - 4096 <= end.address && end.address < base, "{end:x?}, base {base:#x}");
    }
    all_is_well(before.as_ref());
    println!("contained_overflow: {} overflows contained on {cpus} CPUs", cpus * ROUNDS);
    0
}

/// Takes an NMI that nobody overflows anything in: the next one comes on the other stack.
fn take_nmi() {
    let here = Kernel::cpu_number();
    let taken = || Kernel::cpu_information(here).map_or(0, |cpu| cpu.exceptions[NMI as usize]);
    let before = taken();
    let sent = hook(TestHook::NonMaskableInterrupt, here << 32);
    check!(sent.is_ok(), "{sent:?}");
    check!(wait_until(20 * SECOND, || taken() == before + 1), "{} NMI, before it was {before}", taken());
}

/// A child spins in ring 3 until somebody outside the machine makes the trap happen whose handler is to overflow.
fn from_outside(vector: u64) -> u64 {
    let asked = hook(TestHook::OverflowNextHandler, vector);
    check!(asked.is_ok(), "{asked:?}");
    start(SPIN + vector, Kernel::cpu_number());
    let end = ended();
    check!(end.trap == TrapNumber::DOUBLE_FAULT.to_bits(), "{end:?}");
    all_is_well(None);
    println!("contained_overflow: one overflow contained");
    0
}

fn start(what: u64, cpu: u64) {
    let started = Kernel::spawn_program("contained_overflow", what, cpu);
    check!(started.is_ok(), "no child on CPU {cpu}: {started:?}");
}

/// The end of a child, which must be for a failure of the kernel.
fn ended() -> ProgramEnd {
    match Kernel::wait_program(30 * SECOND) {
        Ok(Some(end)) => {
            check!(end.cause == EndCause::KernelFailure as u64, "{end:?}");
            end
        }
        other => programs::wrong(file!(), format_args!("no child has ended: {other:?}")),
    }
}

/// The facts when no program is being freed any more, and each CPU has run this thread since: it has let go of what ran there
/// before.
fn settled_facts() -> SystemInformation {
    everywhere();
    let settled = wait_until(2 * SECOND, || facts().programs == 1);
    check!(settled, "a program is left: {:?}", facts());
    facts()
}

/// Goes every way through the kernel, on every CPU.
fn everywhere() {
    for cpu in 0..programs::cpus() {
        let moved = Kernel::move_to_cpu(cpu);
        check!(moved.is_ok(), "cannot move to CPU {cpu}: {moved:?}");
        use_everything();
    }
}

fn facts() -> SystemInformation {
    let facts = Kernel::system_information();
    check!(facts.is_ok(), "{facts:?}");
    facts.unwrap_or_default()
}

/// Base and top of a CPU's interrupt stack.
fn stack_of(cpu: u64) -> (u64, u64) {
    Kernel::cpu_information(cpu).map_or((0, 0), |cpu| (cpu.interrupt_stack_base, cpu.interrupt_stack_top))
}

/// Every way through the kernel still works, on every CPU, and nothing was lost since `before`.
fn all_is_well(before: Option<&SystemInformation>) {
    everywhere();
    if let Some(before) = before {
        nothing_is_left(before);
    }
}

/// A hook that writes to no memory of this program.
fn hook(hook: TestHook, argument: u64) -> Result<u64, Error> {
    // SAFETY: none of those used here does; the store goes to where nothing is mapped.
    unsafe { test_hook(hook, argument) }
}
