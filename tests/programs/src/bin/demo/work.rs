//! Starts the plan's programs on all CPUs at once and looks at how each one ends.

use core::fmt::Write;

use gatehouse_runtime::abi::{Error, ProgramEnd, SLOT_NONE};
use gatehouse_runtime::array::MappedArray;
use gatehouse_runtime::time::{Deadline, MICROSECOND};
use gatehouse_runtime::{Kernel, println};
use programs::raw::message::delete_capability;
use programs::{ExpectedEnd, SURVIVED};

use crate::counters::Tally;
use crate::handlers::{Handled, Handlers};
use crate::plan::{CLIENT_PAGES, JOB_TIMEOUT, Job, Plan};
use crate::problems::Problems;
use crate::record;

/// Between two looks whether a program has ended.
const LOOK_EVERY: u64 = 100 * MICROSECOND;

/// A program that runs now.
#[derive(Clone, Copy, Debug)]
struct Running {
    program: u64,
    /// The slots of the capabilities that its handler needs.
    slots: [u64; 2],
    cpu: u64,
    job: Job,
}

/// A program that nobody needs a capability of.
const fn unhandled(number: u64) -> Handled {
    Handled { number, slots: [SLOT_NONE; 2] }
}

/// What is under way and what is still to do.
#[derive(Debug)]
pub(crate) struct Slots {
    /// Places for the programs of CPU 0, then those of CPU 1 and so on, `at_once` each.
    running: MappedArray<Option<Running>>,
    /// The number of each CPU's next job.
    next: MappedArray<u64>,
}

impl Slots {
    /// Room for what the plan lets run at once.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(crate) fn new(plan: &Plan) -> Result<Self, Error> {
        let places = usize::try_from(plan.cpus * plan.at_once).map_err(|_| Error::OutOfMemory)?;
        let cpus = usize::try_from(plan.cpus).map_err(|_| Error::OutOfMemory)?;
        Ok(Self { running: MappedArray::filled(places, None)?, next: MappedArray::filled(cpus, 0)? })
    }

    fn count(&self) -> usize {
        self.running.iter().flatten().count()
    }
}

/// Works the plan off; adds to `expected` what was started.
///
/// # Errors
/// The kernel refused to start or to await programs for good.
pub(crate) fn run(
    plan: &Plan,
    slots: &mut Slots,
    handlers: &Handlers,
    expected: &mut [Tally],
    problems: &mut Problems,
) -> Result<(), Error> {
    let mut progress = Progress::new(plan);
    for cpu in 0..plan.cpus {
        fill(plan, slots, handlers, expected, cpu)?;
    }
    while slots.count() > 0 {
        let Some(end) = next_end()? else {
            problems.tell(format_args!("{} programs do not end", slots.count()));
            for running in slots.running.iter().flatten() {
                problems.tell(format_args!("{:?} on CPU {} does not end", running.job, running.cpu));
            }
            return Ok(());
        };
        let ended = slots.running.iter_mut().find(|place| place.is_some_and(|job| job.program == end.program));
        let Some(running) = ended.and_then(Option::take) else {
            // A program of the person that was still running ends in the midst of it.
            println!("program {} ended as well", end.program);
            continue;
        };
        check(&running, &end, problems);
        for slot in running.slots.into_iter().filter(|slot| *slot != SLOT_NONE) {
            delete_capability(slot)?;
        }
        progress.step(handlers);
        fill(plan, slots, handlers, expected, running.cpu)?;
        if slots.count() == 0 {
            // Where memory had been short, CPUs may have been left without a program.
            for cpu in 0..plan.cpus {
                fill(plan, slots, handlers, expected, cpu)?;
            }
        }
    }
    progress.end(handlers);
    Ok(())
}

/// The next end of a program; `None` if none comes in time.
///
/// Asks and sleeps, since a call that waits is counted twice, once it did wait: that would be two calls or one by chance, and
/// this program's own calls could not be told exactly.
fn next_end() -> Result<Option<ProgramEnd>, Error> {
    let mut deadline = None;
    loop {
        if let Some(end) = Kernel::wait_program(0)? {
            return Ok(Some(end));
        }
        if deadline.get_or_insert_with(|| Deadline::after(JOB_TIMEOUT)).passed() {
            return Ok(None);
        }
        Kernel::sleep(LOOK_EVERY);
    }
}

/// Starts programs on a CPU until its places are taken or its jobs are done. A shortage of memory is none as
/// long as other programs run: their ends free some.
fn fill(plan: &Plan, slots: &mut Slots, handlers: &Handlers, expected: &mut [Tally], cpu: u64) -> Result<(), Error> {
    let index = cpu as usize;
    for place in cpu * plan.at_once..(cpu + 1) * plan.at_once {
        let place = place as usize;
        if slots.running[place].is_some() || slots.next[index] >= plan.jobs_per_cpu() {
            continue;
        }
        let job = plan.job(cpu, slots.next[index]);
        let started = match job {
            Job::Take(fault) if fault.expected().trap.is_breakpoint() => {
                handlers.spawn_judged(fault as u64, cpu).map(unhandled)
            }
            Job::Take(fault) => Kernel::spawn_program_quietly("fault", fault as u64, cpu).map(unhandled),
            Job::Work(work) => Kernel::spawn_program_quietly("worker", work.to_argument(), cpu).map(unhandled),
            Job::Page(rounds) => handlers.spawn_paged(CLIENT_PAGES << 32 | rounds, cpu),
            Job::Debug(_) => handlers.spawn_debugged(cpu),
        };
        match started {
            Ok(Handled { number, slots: held }) => {
                slots.running[place] = Some(Running { program: number, slots: held, cpu, job });
                slots.next[index] += 1;
                plan.expect(expected, cpu, job);
            }
            Err(Error::OutOfMemory) if slots.count() > 0 => return Ok(()),
            Err(error) => {
                println!("{job:?} does not start on CPU {cpu}: {error:?}");
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Compares how a program ended with how it should have.
fn check(running: &Running, end: &ProgramEnd, problems: &mut Problems) {
    let expected = match running.job {
        Job::Take(fault) => ExpectedEnd::Trap(fault.expected()),
        Job::Work(_) | Job::Page(_) => ExpectedEnd::Exit(0),
        Job::Debug(_) => ExpectedEnd::Exit(SURVIVED),
    };
    if let Some(mismatch) = expected.mismatch(end) {
        problems.tell(format_args!("{:?} on CPU {}: {mismatch}; {end:x?}", running.job, running.cpu));
    }
    // A worker ends wherever its last thread does.
    if !matches!(running.job, Job::Work(_)) && end.cpu != running.cpu {
        problems.tell(format_args!("{:?} was to run on CPU {} and ended on CPU {}", running.job, running.cpu, end.cpu));
    }
}

/// Tells how far the work is, at most a hundred times, and what the handlers have done so far.
struct Progress {
    cpus: u64,
    done: u64,
    total: u64,
}

/// A short text.
struct Text {
    bytes: [u8; 128],
    length: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(core::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl Progress {
    fn new(plan: &Plan) -> Self {
        let progress = Self { cpus: plan.cpus, done: 0, total: plan.jobs() };
        progress.tell((0, 0));
        progress
    }

    fn step(&mut self, handlers: &Handlers) {
        self.done += 1;
        if self.done.is_multiple_of(self.total.div_ceil(100)) {
            self.tell(handlers.handled());
        }
    }

    fn end(&self, handlers: &Handlers) {
        self.tell(handlers.handled());
    }

    fn tell(&self, (paged, debugged): (u64, u64)) {
        let mut text = Text { bytes: [0; 128], length: 0 };
        let plural = if self.cpus == 1 { "" } else { "s" };
        // The text is shorter than the buffer for any numbers.
        let _ = write!(text, "faults and system calls on {} CPU{plural}", self.cpus);
        if paged + debugged > 0 {
            let _ = write!(text, ", {paged} paged, {debugged} debugged");
        }
        record::progress(text.as_str(), self.done, self.total);
    }
}
