//! Calls between CPUs that are threads: nothing is lost, doubled, or waited for for ever.
#![cfg(not(loom))]

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use smp::call::{CallError, Exchange, Kick, Port, TimeLimit};
use smp::ipi::{Kind, PendingSet};
use smp::tlb::Flush;
use smp::{Clock, CpuIndex, CpuSet};
use x86_64::VirtAddr;

/// Far more than any answer takes, even on a busy host.
const PLENTY_NS: u64 = 20_000_000_000;
const SHORT_NS: u64 = 20_000_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    /// Adds to the CPU's sum.
    Add(u64),
    /// Keeps the CPU busy until the machine lets it go.
    Hold,
    Tlb(Flush),
}

struct Cpu {
    port: Port<'static, Operation>,
    pending: PendingSet,
    /// Hardware interrupts under way.
    interrupts: AtomicUsize,
    sum: AtomicU64,
    ran: AtomicUsize,
    flushed_pages: AtomicU64,
}

impl Cpu {
    fn new(port: Port<'static, Operation>) -> Self {
        Self {
            port,
            pending: PendingSet::new(),
            interrupts: AtomicUsize::new(0),
            sum: AtomicU64::new(0),
            ran: AtomicUsize::new(0),
            flushed_pages: AtomicU64::new(0),
        }
    }
}

/// Threads that play the CPUs.
struct Machine {
    cpus: Vec<Cpu>,
    start: Instant,
    off: AtomicBool,
    let_go: AtomicBool,
}

impl Machine {
    fn new(count: usize) -> Self {
        let exchange: &'static Exchange<Operation> = Box::leak(Box::new(Exchange::new(count as u32)));
        let port = |index| exchange.port(CpuIndex::new(index as u32)).expect("the first to ask for it");
        Self {
            cpus: (0..count).map(|index| Cpu::new(port(index))).collect(),
            start: Instant::now(),
            off: AtomicBool::new(false),
            let_go: AtomicBool::new(false),
        }
    }

    fn run(&self, index: usize, operation: Operation) {
        let cpu = &self.cpus[index];
        cpu.ran.fetch_add(1, Ordering::Relaxed);
        match operation {
            Operation::Add(number) => {
                cpu.sum.fetch_add(number, Ordering::Relaxed);
            }
            Operation::Hold => {
                while !self.let_go.load(Ordering::Acquire) {
                    thread::yield_now();
                }
            }
            Operation::Tlb(Flush::Range { pages, .. }) => {
                cpu.flushed_pages.fetch_add(u64::from(pages), Ordering::Relaxed);
            }
            Operation::Tlb(_) => panic!("the test flushes ranges only"),
        }
    }

    /// What a CPU does when its interrupt line is up: as a kernel would, it looks at the mailbox only because a
    /// kind says so.
    fn handle_interrupts(&self, index: usize) {
        let cpu = &self.cpus[index];
        while cpu.interrupts.load(Ordering::Acquire) > 0 {
            cpu.interrupts.fetch_sub(1, Ordering::AcqRel);
            if cpu.pending.take().contains(Kind::CallFunction) {
                self.answer(index);
            }
        }
    }

    fn answer(&self, index: usize) {
        self.cpus[index].port.answer(|operation| self.run(index, operation));
    }

    fn idle(&self, index: usize) {
        while !self.off.load(Ordering::Acquire) {
            self.handle_interrupts(index);
            thread::yield_now();
        }
        self.handle_interrupts(index);
    }

    fn call(
        &self,
        caller: usize,
        targets: &CpuSet,
        operation: Operation,
        ns: u64,
    ) -> Result<(), CallError<'_, Operation>> {
        let poll = || {
            self.answer(caller);
            thread::yield_now();
        };
        self.cpus[caller].port.call(self, targets.iter(), operation, TimeLimit { clock: self, ns }, poll)
    }

    /// The same for a call that is to fail: who had not begun, and who had begun.
    fn refused(&self, caller: usize, targets: &CpuSet, operation: Operation, ns: u64) -> Refused {
        match self.call(caller, targets, operation, ns) {
            Ok(()) => panic!("the call succeeded"),
            Err(CallError::Unanswered(named)) => {
                Refused::Unanswered(named.not_begun().collect(), named.begun().collect())
            }
            Err(CallError::EarlierCallRuns(named)) => Refused::EarlierCallRuns(named.begun().collect()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs `boot` as CPU 0, and CPUs 1 to `answering - 1` idle beside it; further CPUs exist and never answer.
    fn with_idle_cpus(&self, answering: usize, boot: impl FnOnce(&Self)) {
        thread::scope(|scope| {
            for index in 1..answering {
                scope.spawn(move || self.idle(index));
            }
            let _off = SwitchOff(self);
            boot(self);
        });
    }

    fn sums(&self) -> Vec<u64> {
        self.cpus.iter().map(|cpu| cpu.sum.load(Ordering::Relaxed)).collect()
    }
}

/// Ends the idle CPUs, also when an assertion fails: the scope waits for them.
struct SwitchOff<'m>(&'m Machine);

impl Drop for SwitchOff<'_> {
    fn drop(&mut self) {
        self.0.let_go.store(true, Ordering::Release);
        self.0.off.store(true, Ordering::Release);
    }
}

impl Clock for Machine {
    fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

impl Kick for Machine {
    type Cpu = CpuIndex;

    fn index(&self, cpu: CpuIndex) -> CpuIndex {
        cpu
    }

    fn kick(&self, cpu: CpuIndex) {
        let cpu = &self.cpus[cpu.as_usize()];
        if cpu.pending.post(Kind::CallFunction) {
            cpu.interrupts.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// What a call that failed says.
#[derive(Debug, PartialEq)]
enum Refused {
    Unanswered(CpuSet, CpuSet),
    EarlierCallRuns(CpuSet),
}

fn set(cpus: &[u32]) -> CpuSet {
    cpus.iter().copied().map(CpuIndex::new).collect()
}

#[test]
fn one_a_set_and_all_others_run_it_once_each() {
    let machine = Machine::new(4);
    machine.with_idle_cpus(4, |machine| {
        machine.call(0, &set(&[2]), Operation::Add(1), PLENTY_NS).unwrap();
        assert_eq!(machine.sums(), [0, 0, 1, 0]);
        machine.call(0, &set(&[1, 2]), Operation::Add(10), PLENTY_NS).unwrap();
        assert_eq!(machine.sums(), [0, 10, 11, 0]);
        machine.call(0, &set(&[1, 2, 3]), Operation::Add(100), PLENTY_NS).unwrap();
        assert_eq!(machine.sums(), [0, 110, 111, 100]);
    });
}

#[test]
fn the_caller_among_the_targets_answers_itself() {
    let machine = Machine::new(2);
    machine.with_idle_cpus(2, |machine| {
        machine.call(0, &set(&[0, 1]), Operation::Add(3), PLENTY_NS).unwrap();
        assert_eq!(machine.sums(), [3, 3]);
    });
}

#[test]
fn nobody_to_call_is_done_at_once() {
    let machine = Machine::new(1);
    machine.call(0, &CpuSet::new(), Operation::Add(1), 0).unwrap();
}

#[test]
fn who_does_not_answer_is_named_and_never_runs_it() {
    let machine = Machine::new(4);
    machine.with_idle_cpus(3, |machine| {
        // CPU 3 is deaf, CPU 9 does not exist.
        let error = machine.call(0, &set(&[1, 2, 3, 9]), Operation::Add(5), 3_000_000_000).unwrap_err();
        assert_eq!(error.to_string(), "call not answered by CPUs {3, 9}, still running on {}");
        assert_eq!(error.cpus().collect::<CpuSet>(), set(&[3, 9]));
        assert_eq!(machine.sums(), [0, 5, 5, 0]);
        let CallError::Unanswered(unanswered) = error else { panic!("{error}") };
        assert_eq!([1, 2, 3, 9].map(|cpu| unanswered.is_done(CpuIndex::new(cpu))), [true, true, false, false]);
        drop(unanswered);
        // It wakes up at last, and finds the request cancelled.
        machine.handle_interrupts(3);
        assert_eq!(machine.cpus[3].ran.load(Ordering::Relaxed), 0);
        assert!(machine.cpus[3].port.nothing_waits());
    });
}

#[test]
fn who_is_still_running_it_is_told_apart() {
    let machine = Machine::new(2);
    machine.with_idle_cpus(2, |machine| {
        let target = &set(&[1]);
        // Several tries: the host may not let CPU 1 begin within the time.
        let hold = |_| machine.refused(0, target, Operation::Hold, SHORT_NS);
        let running = Refused::Unanswered(CpuSet::new(), set(&[1]));
        assert!((0..500).map(hold).any(|refused| refused == running), "CPU 1 never began");
        // Until it has ended that, nothing else is begun anywhere.
        let refused = machine.refused(0, &set(&[0, 1]), Operation::Add(7), SHORT_NS);
        assert_eq!(refused, Refused::EarlierCallRuns(set(&[1])));
        machine.let_go.store(true, Ordering::Release);
        machine.call(0, target, Operation::Add(1), PLENTY_NS).unwrap();
        assert_eq!(machine.sums(), [0, 1]);
    });
}

#[test]
fn cpus_beyond_the_first_word_call_and_are_called() {
    let machine = Machine::new(131);
    thread::scope(|scope| {
        for index in [0, 63, 64, 129] {
            scope.spawn({
                let machine = &machine;
                move || machine.idle(index)
            });
        }
        let _off = SwitchOff(&machine);
        for caller in [130, 65, 1] {
            machine.call(caller, &set(&[0, 63, 64, 129]), Operation::Add(caller as u64), PLENTY_NS).unwrap();
        }
        assert_eq!([0, 63, 64, 129].map(|index: usize| machine.sums()[index]), [196; 4]);
    });
}

#[test]
fn cpus_that_call_each_other_at_once_all_come_through() {
    const CPUS: usize = 4;
    const ROUNDS: u64 = 300;
    let machine = Machine::new(CPUS);
    let online = CpuSet::first(CPUS as u32);
    let finished = AtomicUsize::new(0);
    thread::scope(|scope| {
        for caller in 0..CPUS {
            let (machine, online, finished) = (&machine, &online, &finished);
            scope.spawn(move || {
                let mut others = online.clone();
                others.remove(CpuIndex::new(caller as u32));
                // Not unwrapped here: the others wait below for every CPU to finish.
                let result = (0..ROUNDS).try_for_each(|_| machine.call(caller, &others, Operation::Add(1), PLENTY_NS));
                finished.fetch_add(1, Ordering::AcqRel);
                while finished.load(Ordering::Acquire) < CPUS {
                    machine.handle_interrupts(caller);
                    thread::yield_now();
                }
                result.unwrap();
            });
        }
    });
    let expected = (CPUS as u64 - 1) * ROUNDS;
    assert_eq!(machine.sums(), [expected; CPUS]);
    assert!(machine.cpus.iter().all(|cpu| cpu.ran.load(Ordering::Relaxed) as u64 == expected));
}

#[test]
fn a_shootdown_is_a_call() {
    let machine = Machine::new(3);
    machine.with_idle_cpus(3, |machine| {
        let flush = Flush::range(VirtAddr::new(0x1000), 5 * 4096);
        machine.call(0, &set(&[1, 2]), Operation::Tlb(flush), PLENTY_NS).unwrap();
        let pages: Vec<_> = machine.cpus.iter().map(|cpu| cpu.flushed_pages.load(Ordering::Relaxed)).collect();
        assert_eq!(pages, [0, 5, 5]);
    });
}
