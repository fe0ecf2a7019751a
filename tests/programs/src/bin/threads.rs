//! 64 threads on all CPUs: their counts add up, and all their stacks can be freed.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry};
use programs::check;

entry!(run);

const THREADS: usize = 64;
/// What each thread adds to [`SUM`], one at a time.
const STEPS: u64 = 500;

static SUM: AtomicU64 = AtomicU64::new(0);

fn run(_argument: u64) -> u64 {
    let cpus = programs::cpus();
    let here = Kernel::cpu_number();
    let mut threads = [const { None }; THREADS];
    for (index, place) in threads.iter_mut().enumerate() {
        let cpu = (here + index as u64) % cpus;
        let thread = Thread::spawn(add, cpu, cpu);
        check!(thread.is_ok(), "thread {index} on CPU {cpu}: {:?}", thread.err());
        *place = thread.ok();
    }
    for (index, thread) in threads.into_iter().flatten().enumerate() {
        let status = thread.join(20 * SECOND);
        let cpu = (here + index as u64) % cpus;
        check!(status == Some(cpu + 1), "thread {index} ended with {status:?}");
    }
    let sum = SUM.load(Ordering::Relaxed);
    check!(sum == STEPS * THREADS as u64, "the sum is {sum}");
    0
}

fn add(cpu: u64) -> u64 {
    for step in 0..STEPS {
        SUM.fetch_add(1, Ordering::Relaxed);
        if step % 100 == 0 {
            Kernel::yield_now();
        }
    }
    let here = Kernel::cpu_number();
    check!(here == cpu, "a thread for CPU {cpu} runs on CPU {here}");
    cpu + 1
}
