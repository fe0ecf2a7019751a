//! Threads that may run on several CPUs: where they may, and that they keep all CPUs busy.

use ci::machine::Machine;
use ci::outcome::Outcome;
use ci::transcript::Transcript;
use integration_tests::{boot, boot_and_pass};

#[test]
fn threads_run_where_they_may() {
    for cpus in [4, 1] {
        let transcript = boot_and_pass(&Machine::new().smp(cpus).command_line("init=affinity"));
        let line = format!("affinity: all cases hold on {cpus} CPUs");
        assert!(transcript.console_contains(&line), "{transcript}");
    }
}

#[test]
fn a_thread_that_gives_way_goes_on_elsewhere() {
    for cpus in [2, 4] {
        let transcript = boot_and_pass(&Machine::new().smp(cpus).command_line("init=preempted_thread"));
        let line = format!("preempted_thread: 20 rounds on {cpus} CPUs");
        assert!(transcript.console_contains(&line), "{transcript}");
    }
}

/// The numbers of a phase of `busy_cpus`.
struct Phase {
    shares: Vec<u64>,
    placed: u64,
    given: u64,
}

fn phase(transcript: &Transcript, name: &str) -> Phase {
    let record = transcript.others("busy_cpus").next().unwrap_or_else(|| panic!("no record in {transcript}"));
    let phase = &record[name];
    let number = |key: &str| phase[key].as_u64().unwrap_or_else(|| panic!("no {key} of {name} in {record}"));
    let shares = phase["shares"].as_array().unwrap_or_else(|| panic!("no shares of {name} in {record}"));
    Phase {
        shares: shares.iter().map(|share| share.as_u64().expect("a share is a number")).collect(),
        placed: number("placed"),
        given: number("given"),
    }
}

/// In counted time, where a CPU that is behind is behind by its own doing: no thread waits for more than a slice beside a CPU
/// that sleeps, and every CPU has at least a third of an even share: a thread stays where it is while all CPUs are busy.
#[test]
fn no_cpu_sleeps_while_threads_wait() {
    let transcript = boot_and_pass(&Machine::new().icount(true).command_line("init=busy_cpus"));
    let record = transcript.others("busy_cpus").next().unwrap_or_else(|| panic!("no record in {transcript}"));
    let longest = record["waited_beside_idle"].as_u64();
    assert!(longest.is_some_and(|longest| longest <= 1), "{longest:?} in {transcript}");
    for name in ["started", "gathered", "woken"] {
        let Phase { shares, placed, given } = phase(&transcript, name);
        let sum: u64 = shares.iter().sum();
        assert!(shares.iter().all(|share| share * shares.len() as u64 * 3 >= sum), "{name}: {shares:?}");
        assert!(placed > 0, "{name}: nothing was sent to an idle CPU in {transcript}");
        // Threads that waited on a busy CPU were asked for, by CPUs that had done with theirs.
        assert!(name != "gathered" || given > 0, "{name}: nothing was given in {transcript}");
    }
}

/// With all CPUs at once, three of them, and sixteen.
#[test]
fn the_cpus_get_work_from_one() {
    for cpus in [3, 16] {
        let transcript = boot_and_pass(&Machine::new().smp(cpus).command_line("init=busy_cpus"));
        let line = format!("busy_cpus: {cpus} CPUs, longest row");
        assert!(transcript.console_contains(&line), "{transcript}");
    }
}

/// Either way to idle will do, and one that is none is named.
#[test]
fn the_command_line_says_how_cpus_idle() {
    for idle in ["hlt", "mwait"] {
        let transcript = boot_and_pass(&Machine::new().smp(2).command_line(format!("init=hello idle={idle}")));
        assert!(transcript.console_contains("2 of 2 CPUs online"), "{transcript}");
    }
    let transcript = boot(&Machine::new().smp(2).command_line("init=hello idle=poll"));
    assert_eq!(transcript.outcome, Outcome::Panic, "{transcript}");
    assert!(transcript.console_contains("idle=poll on the command line is neither hlt nor mwait"), "{transcript}");
    let machine = Machine::new().cpu("max,-monitor").command_line("init=hello idle=mwait");
    let transcript = boot(&machine);
    assert_eq!(transcript.outcome, Outcome::Panic, "{transcript}");
    assert!(transcript.console_contains("the processor has no MONITOR and MWAIT"), "{transcript}");
}
