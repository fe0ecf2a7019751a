//! What is done on which CPU, and how often.

use gatehouse_runtime::time;
use programs::{DEBUGGEE_TURNS, Fault, WorkerPlan};

use crate::counters::Tally;

/// One program that is started on a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// A `worker`.
    Work(WorkerPlan),
    /// A `fault` of this kind.
    Take(Fault),
    /// A `pager_client` that goes so many times through its pages.
    Page(u64),
    /// A `debuggee` that stops in so many turns of its loop.
    Debug(u64),
}

/// The whole work. Every CPU gets the same number of jobs, in an order of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) cpus: u64,
    /// Faults on each CPU.
    faults: u64,
    /// Rounds of each worker.
    rounds: u64,
    /// Jobs that may exist on one CPU at a time.
    pub(crate) at_once: u64,
}

/// Faults on each CPU where there are few CPUs: about a hundred of each kind.
const MOST_FAULTS: u64 = 100 * Fault::ALL.len() as u64;
/// Faults on each CPU where there are many.
const FEWEST_FAULTS: u64 = 4;
/// An emulated CPU that wakes up costs host time in proportion to the number of CPUs that share the host, so the faults of
/// each shrink with the square of that number. The figure is that of 4 CPUs with the most faults.
const FAULTS_BY_SQUARE: u64 = 16 * MOST_FAULTS;
/// Vectors of what the handlers of this program handle.
const DEBUG: usize = 1;
const BREAKPOINT: usize = 3;
const PAGE_FAULT: usize = 14;
/// System calls of a pager for each page: MapInto and ReplyReceive.
pub(crate) const CALLS_PER_PAGE: u64 = 2;
/// #NM, which is no fault to be taken but happens to each worker thread once.
const DEVICE_NOT_AVAILABLE: usize = 7;
/// Every so many faults there is one of each of the other jobs; the first jobs are those.
const FAULTS_PER_TURN: u64 = 50;
/// Jobs of a turn that are no faults.
const OTHERS_PER_TURN: u64 = 3;
/// Pages that a client touches in a round.
pub(crate) const CLIENT_PAGES: u64 = 8;
/// The most pagers: each takes a stack, and this program's memory is limited. Where there are more CPUs some pagers serve
/// those of several.
const MOST_PAGERS: u64 = 256;
/// Stops of a debuggee, over all CPUs: the debugger is one thread.
const DEBUGGED_TURNS: u64 = 16;
/// Rounds of the workers of one CPU each, over all CPUs, as far as each worker has at least one.
const ROUNDS: u64 = 32;
/// Jobs at once over all CPUs, as far as each CPU has at least one.
const AT_ONCE: u64 = 16;

/// How long the kernel may take to start and end any one program.
pub(crate) const JOB_TIMEOUT: u64 = 10 * time::SECOND;

impl Plan {
    /// The plan for that many CPUs, at least one.
    pub(crate) fn new(cpus: u64) -> Self {
        let faults = (FAULTS_BY_SQUARE / cpus.saturating_mul(cpus).max(1)).clamp(FEWEST_FAULTS, MOST_FAULTS);
        Self { cpus, faults, rounds: (ROUNDS / cpus.max(1)).clamp(1, 8), at_once: (AT_ONCE / cpus.max(1)).clamp(1, 4) }
    }

    /// Jobs on each CPU.
    pub(crate) const fn jobs_per_cpu(&self) -> u64 {
        self.faults + self.faults.div_ceil(FAULTS_PER_TURN) * OTHERS_PER_TURN
    }

    /// Pagers, on the first CPUs.
    pub(crate) const fn pagers(&self) -> u64 {
        if self.cpus < MOST_PAGERS { self.cpus } else { MOST_PAGERS }
    }

    /// Turns of its loop in which each debuggee stops.
    pub(crate) fn debugged_turns(&self) -> u64 {
        (DEBUGGED_TURNS / self.cpus.max(1)).clamp(1, DEBUGGEE_TURNS)
    }

    /// Jobs in all.
    pub(crate) const fn jobs(&self) -> u64 {
        self.jobs_per_cpu() * self.cpus
    }

    /// The job with this number on that CPU.
    pub(crate) fn job(&self, cpu: u64, number: u64) -> Job {
        let turn = FAULTS_PER_TURN + OTHERS_PER_TURN;
        match number % turn {
            0 => Job::Work(WorkerPlan { home: cpu, neighbour: (cpu + 1) % self.cpus, rounds: self.rounds }),
            1 => Job::Page(self.rounds),
            2 => Job::Debug(self.debugged_turns()),
            within => {
                // Each CPU starts with another fault, so that a few jobs on many CPUs still are all kinds.
                let fault = number / turn * FAULTS_PER_TURN + within - OTHERS_PER_TURN + cpu * self.faults;
                Job::Take(Fault::ALL[(fault % Fault::ALL.len() as u64) as usize])
            }
        }
    }

    /// Adds what a job makes the CPUs count.
    pub(crate) fn expect(&self, expected: &mut [Tally], cpu: u64, job: Job) {
        match job {
            Job::Take(fault) => expected[cpu as usize].exceptions[fault.expected().vector as usize] += 1,
            Job::Page(rounds) => {
                let faults = rounds * CLIENT_PAGES;
                expected[cpu as usize].exceptions[PAGE_FAULT] += faults;
                // UnmapMemory after each round, and ExitProgram.
                expected[cpu as usize].by_syscall += rounds + 1;
                let pager = &mut expected[(cpu % self.pagers()) as usize];
                pager.paged += faults;
                pager.by_syscall += faults * CALLS_PER_PAGE;
            }
            Job::Debug(turns) => {
                let tally = &mut expected[cpu as usize];
                // In each turn the `int3`, and the instruction that it stands for as a single step.
                tally.exceptions[BREAKPOINT] += turns;
                tally.exceptions[DEBUG] += turns;
                tally.debugged += 2 * turns;
                // MapMemory for the variable, and ExitProgram.
                tally.by_syscall += 2;
            }
            Job::Work(plan) => {
                expected[plan.home as usize].add_calls(plan.calls_at_home());
                expected[plan.neighbour as usize].add_calls(plan.calls_at_neighbour());
                for start in [plan.home, plan.neighbour] {
                    expected[start as usize].exceptions[DEVICE_NOT_AVAILABLE] += WorkerPlan::FIRST_USES;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CLIENT_PAGES, DEVICE_NOT_AVAILABLE, Job, Plan};
    use crate::counters::Tally;
    use programs::Fault;

    fn tallies(cpus: u64) -> Vec<Tally> {
        let plan = Plan::new(cpus);
        let mut expected = vec![Tally::default(); cpus as usize];
        for cpu in 0..cpus {
            for number in 0..plan.jobs_per_cpu() {
                plan.expect(&mut expected, cpu, plan.job(cpu, number));
            }
        }
        expected
    }

    #[test]
    fn every_cpu_works_and_faults_as_planned() {
        for cpus in [1, 2, 3, 4, 8, 64, 288, 1024] {
            let plan = Plan::new(cpus);
            for (cpu, tally) in tallies(cpus).iter().enumerate() {
                let first_uses = tally.exceptions[DEVICE_NOT_AVAILABLE];
                let turns = (plan.jobs_per_cpu() - plan.faults) / 3;
                let clients = cpus / plan.pagers() + u64::from((cpu as u64) < cpus % plan.pagers());
                let clients = if (cpu as u64) < plan.pagers() { clients } else { 0 };
                let resolved = turns * plan.rounds * CLIENT_PAGES;
                assert_eq!(tally.paged, clients * resolved, "CPU {cpu} of {cpus}");
                assert_eq!(tally.debugged, turns * 2 * plan.debugged_turns(), "CPU {cpu} of {cpus}");
                let faults = tally.exceptions.iter().sum::<u64>() - first_uses - resolved - tally.debugged;
                assert_eq!(faults, plan.faults, "CPU {cpu} of {cpus}");
                assert_eq!(first_uses, 2 * turns, "CPU {cpu} of {cpus}");
                assert!(tally.by_syscall > 0 && tally.by_int80 > 0);
            }
        }
    }

    #[test]
    fn every_kind_of_fault_is_taken() {
        for cpus in [1, 2, 3, 4, 8, 17, 64, 288, 1024] {
            let plan = Plan::new(cpus);
            let jobs = (0..cpus).flat_map(|cpu| (0..plan.jobs_per_cpu()).map(move |number| plan.job(cpu, number)));
            let jobs: Vec<Job> = jobs.collect();
            let missing = Fault::ALL.iter().find(|fault| !jobs.contains(&Job::Take(**fault)));
            assert_eq!(missing, None, "{cpus} CPUs");
        }
    }

    #[test]
    fn few_cpus_take_a_hundred_of_each_kind() {
        let plan = Plan::new(4);
        let kind = Job::Take(Fault::SingleStep);
        let on_one_cpu = (0..plan.jobs_per_cpu()).filter(|number| plan.job(2, *number) == kind).count();
        assert_eq!(on_one_cpu, 100);
    }
}
