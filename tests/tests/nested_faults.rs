//! Faults while faults are handled, and ends in the middle of it. Each case is a first program of its own.

use std::time::Duration;

use ci::machine::Machine;
use integration_tests::boot_and_pass;

/// The program must pass on one CPU, where everybody waits for everybody, and on four.
fn passes(program: &str, last_words: &str) {
    for cpus in [1, 4] {
        let machine = Machine::new().smp(cpus).time_limit(Duration::from_secs(180));
        let transcript = boot_and_pass(&machine.command_line(format!("init={program}")));
        let words = last_words.replace("CPUS", &cpus.to_string());
        assert!(transcript.console_contains(&words), "{words} is missing in {transcript}");
    }
}

#[test]
fn nested_faults_of_a_pager_itself() {
    passes("nested_pager", "nested_pager: all cases hold on CPUS CPUs");
}

#[test]
fn nested_faults_in_a_chain_of_handlers() {
    passes("handler_chain", "handler_chain: chains of 12 hold on CPUS CPUs");
}

#[test]
fn nested_faults_of_who_handles_its_own() {
    passes("own_handler", "own_handler: all cases hold on CPUS CPUs");
}

#[test]
fn nested_faults_of_threads_that_end_while_they_wait() {
    passes("blocked_threads", "blocked_threads: all are gone on CPUS CPUs");
}

#[test]
fn nested_faults_in_the_queue_of_an_endpoint_that_goes() {
    passes("queued_faults", "queued_faults: all are gone on CPUS CPUs");
}

#[test]
fn nested_faults_with_a_full_table_of_capabilities() {
    passes("full_space", "full_space: all cases hold on CPUS CPUs");
}

#[test]
fn nested_faults_past_the_quota_of_memory() {
    passes("memory_quota", "memory_quota: refused after");
}

#[test]
fn nested_faults_of_64_threads_onto_one_slow_pager() {
    passes("fault_storm", "fault_storm: all were answered once on CPUS CPUs");
}

#[test]
fn threads_past_the_quota_are_refused() {
    passes("thread_quota", "thread_quota: 4096 threads and no more, and none is left, on CPUS CPUs");
}
