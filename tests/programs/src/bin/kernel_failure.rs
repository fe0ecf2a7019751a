//! Makes the kernel fail: to be run as the first program with `test-hooks case=NAME` on the kernel's command line. Most
//! cases end the machine; what is left to do then is the test's on the host.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{Error, MessageTag, SLOT_OWN_PROGRAM, TestHook, ThreadInformation, ThreadState};
use gatehouse_runtime::test_hook::test_hook;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::check;
use programs::raw::debugger::list_threads;
use programs::raw::message::{SELF, call, create_endpoint, receive, set_fault_handler};
use programs::waiting::{system_calls_on, until_so};

entry!(run);

/// Nothing is ever mapped there.
const NOWHERE: u64 = 0xffff_bfff_dead_0000;

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 256];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let case = line.split_whitespace().find_map(|word| word.strip_prefix("case=")).unwrap_or("");
    match case {
        "store" => fail(TestHook::Store, NOWHERE),
        "panic" => fail(TestHook::Panic, 0),
        "store-all" => on_all_cpus(store),
        "panic-all" => on_all_cpus(panic),
        "mixed-all" => on_all_cpus(store_or_panic),
        "dump" => {
            for cpu in 1..programs::cpus() {
                let thread = Thread::spawn(spin, 0, cpu);
                check!(thread.is_ok(), "no thread on CPU {cpu}");
            }
            check!(wait_until(10 * SECOND, || READY.load(Ordering::Relaxed) == programs::cpus() - 1), "no threads");
            for cpu in 0..programs::cpus() {
                let dumped = hook(TestHook::DumpCpu, cpu);
                check!(dumped == Ok(0), "CPU {cpu} does not tell: {dumped:?}");
            }
            return programs::finish(0);
        }
        "locked" => fail(TestHook::OverflowInterruptStack, 1),
        "borrowed" => fail(TestHook::OverflowInterruptStack, 2),
        "double-fault-stack" => {
            fail(TestHook::OverflowNextHandler, 8);
            fail(TestHook::OverflowInterruptStack, 0);
        }
        "nmi-in-kernel" => {
            fail(TestHook::OverflowNextHandler, 2);
            // The NMI is this CPU's own, sent while it is in the kernel.
            fail(TestHook::DumpCpu, Kernel::cpu_number());
        }
        "waiting" => {
            wait_in_every_way();
            fail(TestHook::Store, NOWHERE)
        }
        "hold" => {
            let cpus = programs::cpus();
            for cpu in 1..cpus {
                let thread = Thread::spawn(hold, cpu, cpu);
                check!(thread.is_ok(), "no thread on CPU {cpu}");
            }
            let holding = wait_until(10 * SECOND, || READY.load(Ordering::Relaxed) == cpus - 1);
            check!(holding, "only {} CPUs hold", READY.load(Ordering::Relaxed));
            // They say so before they do: their next call is the one that does not come back.
            let calls = || (1..cpus).map(system_calls_on).sum::<u64>();
            until_so("held", || calls() == CALLS.load(Ordering::Relaxed) + cpus - 1);
            fail(TestHook::Store, NOWHERE)
        }
        other => println!("kernel_failure: no case {other:?} in {line:?}"),
    }
    1
}

/// Where threads are to wait for a message, with a call, with a fault, for a reply to a fault.
static ENDPOINTS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// Lets threads wait, one in each way, from thread 2 on.
fn wait_in_every_way() {
    let ways: [fn(u64) -> u64; 4] = [
        |endpoint| receive(endpoint, MessageTag::new(0, 0)).is_ok().into(),
        |endpoint| call(endpoint, MessageTag::new(0, 0), [0; 4]).is_ok().into(),
        fault_to,
        fault_to,
    ];
    for place in &ENDPOINTS {
        let endpoint = create_endpoint();
        check!(endpoint.is_ok(), "no endpoint: {endpoint:?}");
        place.store(endpoint.unwrap_or(0), Ordering::Relaxed);
    }
    let [empty, unheard, heard] = ENDPOINTS.each_ref().map(|place| place.load(Ordering::Relaxed));
    for (number, (way, endpoint)) in ways.into_iter().zip([empty, unheard, unheard, heard]).enumerate() {
        let thread = Thread::spawn(way, endpoint, number as u64 % programs::cpus());
        check!(thread.is_ok(), "no thread {number}");
    }
    let fault = receive(heard, MessageTag::new(0, 0));
    check!(fault.is_ok(), "no fault: {fault:?}");
    let wait = |threads: &[ThreadInformation; 8], state: ThreadState| {
        threads.iter().filter(|thread| thread.state == state as u64).count()
    };
    let all_wait = wait_until(20 * SECOND, || {
        let mut now = [ThreadInformation::default(); 8];
        let count = list_threads(SLOT_OWN_PROGRAM, &mut now);
        count.is_ok() && wait(&now, ThreadState::AtEndpoint) == 3 && wait(&now, ThreadState::AwaitsReply) == 1
    });
    check!(all_wait, "not all wait");
}

fn fault_to(endpoint: u64) -> u64 {
    let bound = set_fault_handler(SELF, endpoint);
    check!(bound.is_ok(), "not bound: {bound:?}");
    // SAFETY: nothing is there, and nobody maps it.
    unsafe { (programs::UNMAPPED as *mut u64).write_volatile(1) };
    1
}

fn fail(what: TestHook, argument: u64) {
    let answer = hook(what, argument);
    println!("kernel_failure: {what:?} came back: {answer:?}");
}

/// Threads that are where they are to be.
static READY: AtomicU64 = AtomicU64::new(0);
/// System calls that their CPUs had made before.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Runs the function on every CPU, on all at once.
fn on_all_cpus(function: fn(u64) -> u64) {
    let cpus = programs::cpus();
    for cpu in 1..cpus {
        let thread = Thread::spawn(function, cpu, cpu);
        check!(thread.is_ok(), "no thread on CPU {cpu}");
    }
    function(0);
    // One of them has stopped the machine before.
    Kernel::sleep(10 * SECOND);
}

/// Waits, without a system call, until all CPUs do.
fn meet() {
    let cpus = programs::cpus();
    READY.fetch_add(1, Ordering::SeqCst);
    while READY.load(Ordering::SeqCst) < cpus {
        core::hint::spin_loop();
    }
}

fn store(cpu: u64) -> u64 {
    meet();
    fail(TestHook::Store, NOWHERE + cpu * 8);
    0
}

fn panic(_cpu: u64) -> u64 {
    meet();
    fail(TestHook::Panic, 0);
    0
}

fn store_or_panic(cpu: u64) -> u64 {
    if cpu.is_multiple_of(2) { store(cpu) } else { panic(cpu) }
}

fn spin(_argument: u64) -> u64 {
    READY.fetch_add(1, Ordering::SeqCst);
    loop {
        core::hint::spin_loop();
    }
}

fn hold(cpu: u64) -> u64 {
    CALLS.fetch_add(system_calls_on(cpu), Ordering::SeqCst);
    READY.fetch_add(1, Ordering::SeqCst);
    fail(TestHook::Hold, 60 * SECOND);
    0
}

/// A hook that writes to no memory of this program.
fn hook(hook: TestHook, argument: u64) -> Result<u64, Error> {
    // SAFETY: none of those used here does; the store goes to where nothing is mapped.
    unsafe { test_hook(hook, argument) }
}
