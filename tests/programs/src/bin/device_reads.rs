//! Registers that one CPU reads and writes while another asks for frames and messages of the same function: the function answers
//! all the time. QEMU's device `edu`. To be run as the first program, on two CPUs at least.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{entry, println};
use programs::edu::{self, IDENTIFICATION, IDENTIFICATION_MARK, LIVENESS, read, write};
use programs::raw::device::{create_device_frame, create_message};
use programs::{check, child, cpus, enable_memory, find_function, ok};

entry!(run);

const ROUNDS: u64 = 5000;
const PATIENCE: u64 = 60 * SECOND;

static STOP: AtomicBool = AtomicBool::new(false);
static ACCESSES: AtomicU64 = AtomicU64::new(0);

/// Uses the registers until it is told to stop. Answers how many accesses went wrong.
fn user(_: u64) -> u64 {
    let mut wrong = 0;
    let mut number: u32 = 1;
    while !STOP.load(Ordering::Relaxed) {
        write(LIVENESS, number);
        wrong += u64::from(read(LIVENESS) != !number) + u64::from(read(IDENTIFICATION) & 0xff != IDENTIFICATION_MARK);
        number = number.wrapping_mul(3);
        ACCESSES.fetch_add(2, Ordering::Relaxed);
    }
    wrong
}

fn run(_: u64) -> u64 {
    check!(cpus() > 1, "one CPU cannot use what another asks about");
    let (device, _) = find_function(edu::IDENTITY);
    enable_memory(device);
    let registers = ok("registers", create_device_frame(device, 0, 0));
    edu::map(registers);
    let thread = ok("thread", Thread::spawn(user, 0, 1));
    let accesses = || ACCESSES.load(Ordering::Relaxed);
    while accesses() < 1000 {
        core::hint::spin_loop();
    }
    let before = accesses();
    for _ in 0..ROUNDS {
        let frame = ok("frame", create_device_frame(device, 0, 1));
        let message = ok("message", create_message(device, 0));
        child::delete(&[message, frame]);
    }
    let meanwhile = accesses() - before;
    STOP.store(true, Ordering::Relaxed);
    let wrong = thread.join(PATIENCE);
    check!(wrong == Some(0), "accesses that went wrong during {ROUNDS} rounds: {wrong:?} of {meanwhile}");
    check!(meanwhile > ROUNDS, "{meanwhile} accesses during {ROUNDS} rounds: that shows nothing");
    child::delete(&[registers, device]);
    println!("device_reads: all accesses were right");
    0
}
