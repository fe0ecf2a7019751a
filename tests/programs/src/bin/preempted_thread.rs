//! A thread that may run anywhere gives way to a more urgent one that it wakes: it goes on at once on a CPU that has nothing to do,
//! though no time slice ends. To be run as the first program.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{ANY_CPU, DEFAULT_PRIORITY, ThreadState};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::affinity::{self, CpuSet, THIS_THREAD};
use programs::raw::control::set_priority;
use programs::raw::message::SELF;
use programs::raw::notification::{create, signal, wait};
use programs::waiting::until_thread;
use programs::{check, cpus, delete, ok};

entry!(run);

const ROUNDS: u64 = 20;
/// How long the more urgent thread keeps its CPU if nobody goes on elsewhere.
const PATIENCE: u64 = 10 * SECOND;

/// Rounds in which the thread that gave way has gone on.
static WENT_ON: AtomicU64 = AtomicU64::new(0);

fn run(_argument: u64) -> u64 {
    check!(cpus() > 1, "there is one CPU only");
    let migratable = ok("migratable", Thread::spawn(give_way, 0, ANY_CPU));
    let status = migratable.join(ROUNDS * PATIENCE);
    check!(status == Some(0), "the thread that gives way: {status:?}");
    println!("preempted_thread: {ROUNDS} rounds on {} CPUs", cpus());
    0
}

/// Wakes, again and again, a more urgent thread on its own CPU.
fn give_way(_argument: u64) -> u64 {
    check!(set_priority(SELF, DEFAULT_PRIORITY - 1) == Ok(0), "not less urgent");
    for round in 1..=ROUNDS {
        // Not where the first thread looks for the end of this one.
        let here = 1 + round % (cpus() - 1);
        let notification = ok("notification", create());
        let urgent = ok("urgent thread", Thread::spawn(keep_the_cpu, notification, here));
        until_thread(urgent.number(), ThreadState::AtNotification);
        check!(affinity::set(THIS_THREAD, &CpuSet::<64>::of(&[here])) == Ok(0), "round {round}: it does not come here");
        check!(affinity::allow_every_cpu(THIS_THREAD) == Ok(0), "round {round}: it may go nowhere");
        check!(Kernel::cpu_number() == here, "round {round}: not on CPU {here}");
        check!(signal(notification) == Ok(0), "not signalled");
        WENT_ON.store(round, Ordering::SeqCst);
        let there = Kernel::cpu_number();
        check!(there != here, "round {round}: it waited on CPU {here} beside one that has nothing to do");
        check!(urgent.join(2 * PATIENCE) == Some(0), "round {round}: the urgent thread does not end");
        delete(notification);
    }
    0
}

fn keep_the_cpu(notification: u64) -> u64 {
    let before = WENT_ON.load(Ordering::SeqCst);
    check!(wait(notification) == Ok(1), "not woken");
    let end = Kernel::clock() + PATIENCE;
    while WENT_ON.load(Ordering::SeqCst) == before && Kernel::clock() < end {
        core::hint::spin_loop();
    }
    0
}
