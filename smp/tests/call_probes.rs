//! What goes wrong around a call, one test each: targets that are named twice, that go, that nest; ports that are used from
//! where they should not be. A call that says it succeeded has been run to its end by every target, and a call that failed
//! leaves the next one possible.
#![cfg(not(loom))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use smp::call::{CallError, Exchange, Kick, Port, TimeLimit, Waiting};
use smp::{Clock, CpuIndex};

const PLENTY_NS: u64 = 20_000_000_000;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the allocations of each thread.
struct Counting;

// SAFETY: all is passed on to the system's allocator; the counter allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Ticks(Instant);

impl Clock for Ticks {
    fn now_ns(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// Targets look by themselves; what is to happen at a kick does.
struct At<F>(F);

impl<F: Fn(CpuIndex)> Kick for At<F> {
    type Cpu = CpuIndex;

    fn index(&self, cpu: CpuIndex) -> CpuIndex {
        cpu
    }

    fn kick(&self, cpu: CpuIndex) {
        self.0(cpu);
    }
}

fn nothing(_: CpuIndex) {}

const fn cpu(index: u32) -> CpuIndex {
    CpuIndex::new(index)
}

fn call<'p, F: Fn(CpuIndex)>(
    port: &'p Port<'_, u64>,
    targets: &[u32],
    number: u64,
    ns: u64,
    kick: F,
) -> Result<(), CallError<'p, u64>> {
    let clock = Ticks(Instant::now());
    let targets = targets.iter().copied().map(cpu);
    port.call(&At(kick), targets, number, TimeLimit { clock: &clock, ns }, thread::yield_now)
}

/// Lets CPU 1 answer beside `test`, which is CPU 0.
fn beside_an_answering_cpu(exchange: &Exchange<u64>, run: impl Fn(u64) + Sync, test: impl FnOnce(&Port<'_, u64>)) {
    let over = AtomicBool::new(false);
    struct End<'o>(&'o AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            let port = exchange.port(cpu(1)).unwrap();
            while !over.load(Ordering::Acquire) {
                port.answer(&run);
                thread::yield_now();
            }
        });
        let _end = End(&over);
        test(&exchange.port(cpu(0)).unwrap());
    });
}

#[test]
fn a_target_that_is_named_twice_runs_it_once_and_the_port_lives() {
    let exchange = Exchange::new(2);
    let sum = AtomicU64::new(0);
    let add = |number| _ = sum.fetch_add(number, Ordering::Relaxed);
    beside_an_answering_cpu(&exchange, add, |port| {
        for round in 1..=100 {
            call(port, &[1, 1, 1], 1, PLENTY_NS, nothing).unwrap();
            assert_eq!(sum.load(Ordering::Relaxed), round);
        }
    });
}

#[test]
fn a_target_that_goes_is_named_and_the_port_lives() {
    let exchange = Exchange::new(2);
    let caller = exchange.port(cpu(0)).unwrap();
    // CPU 1 was online when it was kicked, and goes without a look.
    let kicked = Cell::new(false);
    let goes = |_| kicked.set(true);
    {
        let error = call(&caller, &[1], 5, 1_000_000, goes).unwrap_err();
        assert!(kicked.get());
        let CallError::Unanswered(unanswered) = &error else { panic!("{error}") };
        assert_eq!(unanswered.not_begun().collect::<Vec<_>>(), [cpu(1)]);
        assert_eq!(unanswered.begun().count(), 0);
    }
    // It comes back, and has nothing to do with what was taken back.
    let target = exchange.port(cpu(1)).unwrap();
    assert_eq!(target.answer(|_| panic!("taken back")), 0);
    let answers = |_| assert_eq!(target.answer(|number| assert_eq!(number, 6)), 1);
    call(&caller, &[1], 6, PLENTY_NS, answers).unwrap();
}

#[test]
fn a_target_that_serves_another_caller_in_an_interrupt_is_still_running() {
    let exchange = Exchange::new(3);
    let [slow, quick, target] = [0, 1, 2].map(|index| exchange.port(cpu(index)).unwrap());
    let ended = AtomicBool::new(false);
    let began = AtomicBool::new(false);
    thread::scope(|scope| {
        let (ended, began, quick, target, slow) = (&ended, &began, &quick, &target, &slow);
        scope.spawn(move || {
            while !began.load(Ordering::Acquire) {
                target.answer(|number| {
                    assert_eq!(number, 1);
                    began.store(true, Ordering::Release);
                    // An interrupt in the middle of the operation.
                    let interrupt = |_| assert_eq!(target.answer(|number| assert_eq!(number, 2)), 1);
                    call(quick, &[2], 2, PLENTY_NS, interrupt).unwrap();
                    // And it goes on, long after the first caller's time.
                    while !ended.load(Ordering::Acquire) {
                        thread::yield_now();
                    }
                });
            }
        });
        let mut held = None;
        for _ in 0..2000 {
            let error = call(slow, &[2], 1, 10_000_000, nothing).expect_err("it has not come to the end");
            let CallError::Unanswered(unanswered) = error else { panic!("{error}") };
            if began.load(Ordering::Acquire) {
                // Whether it was taken before or after, it is exactly one of the two.
                held = Some(unanswered);
                break;
            }
        }
        let unanswered = held.expect("the target began");
        let running: Vec<_> = unanswered.begun().collect();
        ended.store(true, Ordering::Release);
        assert_eq!(running, [cpu(2)]);
        while !unanswered.is_done(cpu(2)) {
            thread::yield_now();
        }
    });
}

#[test]
fn an_interrupt_while_answering_runs_no_request_twice() {
    // More than 64 CPUs: the fast path never answers all.
    let exchange = Exchange::new(70);
    let [caller, target] = [0, 69].map(|index| exchange.port(cpu(index)).unwrap());
    let runs = Cell::new(0);
    let interrupt = || {
        if !matches!(target.take_only(), Waiting::Nothing) {
            target.answer(|_| runs.set(runs.get() + 100));
        }
    };
    for round in 1..=3 {
        let answers = |_| {
            target.answer(|_| {
                runs.set(runs.get() + 1);
                interrupt();
            });
        };
        call(&caller, &[69], 1, PLENTY_NS, answers).unwrap();
        assert_eq!(runs.get(), round);
    }
}

#[test]
fn a_request_that_the_fast_path_keeps_is_run_once() {
    let exchange = Exchange::new(2);
    let [caller, target] = [0, 1].map(|index| exchange.port(cpu(index)).unwrap());
    let runs = Cell::new(0);
    let answers = |_| {
        let Waiting::One(request) = target.take_only() else { panic!("one waits") };
        // Nested: the request that is kept for later is nobody else's.
        assert_eq!(target.answer(|_| panic!("run by another")), 0);
        runs.set(runs.get() + request.operation());
        request.done();
    };
    call(&caller, &[1], 7, PLENTY_NS, answers).unwrap();
    assert_eq!(runs.get(), 7);
}

#[test]
fn a_port_speaks_for_one_cpu_and_there_is_one() {
    let exchange = Exchange::<u64>::new(3);
    let port = exchange.port(cpu(1)).unwrap();
    assert_eq!(port.index(), cpu(1));
    assert!(exchange.port(cpu(1)).is_none(), "given out twice");
    assert!(exchange.port(cpu(3)).is_none(), "no such CPU");
    drop(port);
    assert!(exchange.port(cpu(1)).is_some());
}

#[test]
fn a_call_within_a_call_is_refused() {
    let exchange = Exchange::new(2);
    let [caller, target] = [0, 1].map(|index| exchange.port(cpu(index)).unwrap());
    let within = |_| {
        assert!(matches!(call(&caller, &[1], 2, PLENTY_NS, nothing), Err(CallError::Busy)));
        target.answer(|number| assert_eq!(number, 1));
    };
    call(&caller, &[1], 1, PLENTY_NS, within).unwrap();
}

#[test]
fn a_call_that_fails_allocates_nothing() {
    let exchange = Exchange::new(200);
    let caller = exchange.port(cpu(150)).unwrap();
    let before = ALLOCATIONS.with(Cell::get);
    let error = call(&caller, &[0, 77, 199, 200, u32::MAX], 5, 0, nothing).unwrap_err();
    let named = error.cpus().filter(|index| [0, 77, 199, 200].contains(&index.get())).count();
    let allocated = ALLOCATIONS.with(Cell::get) - before;
    assert_eq!((named, error.cpus().count(), allocated), (4, 4, 0));
}

/// Many callers and short times: whatever comes of a call, what the caller is told is so.
#[test]
fn what_each_caller_is_told_is_what_was_done() {
    const CALLERS: u32 = 3;
    let exchange = Exchange::new(CALLERS + 1);
    // What each caller's operations have added at the target.
    let sums = [const { AtomicU64::new(0) }; CALLERS as usize];
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let target = scope.spawn(|| {
            let port = exchange.port(cpu(CALLERS)).unwrap();
            while !over.load(Ordering::Acquire) {
                port.answer(|number| {
                    _ = sums[(number >> 32) as usize].fetch_add(number & 0xffff_ffff, Ordering::Relaxed)
                });
            }
        });
        let callers: Vec<_> = (0..CALLERS)
            .map(|index| {
                let (exchange, sums) = (&exchange, &sums);
                scope.spawn(move || {
                    let port = exchange.port(cpu(index)).unwrap();
                    let mut expected = 0;
                    for round in 1..1000_u64 {
                        let operation = u64::from(index) << 32 | round;
                        match call(&port, &[CALLERS], operation, round % 3 * 10_000, nothing) {
                            Ok(()) => expected += round,
                            Err(CallError::Unanswered(unanswered)) => {
                                if unanswered.begun().next().is_some() {
                                    while !unanswered.is_done(cpu(CALLERS)) {
                                        thread::yield_now();
                                    }
                                    expected += round;
                                }
                            }
                            Err(error) => panic!("{error}"),
                        }
                        assert_eq!(sums[index as usize].load(Ordering::Relaxed), expected, "round {round}");
                    }
                })
            })
            .collect();
        let results: Vec<_> = callers.into_iter().map(|caller| caller.join()).collect();
        over.store(true, Ordering::Release);
        target.join().unwrap();
        results.into_iter().for_each(|result| result.unwrap());
    });
}
