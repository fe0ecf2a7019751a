//! Capabilities and the objects behind them: each program checks one kind, with its errors; one tries each where another is wanted.

use ci::machine::Machine;
use integration_tests::{boot_and_pass, table, text};

/// Boots the program as the first one, on four CPUs and on one.
fn holds(program: &str) {
    for cpus in [4, 1] {
        let transcript = boot_and_pass(&Machine::new().smp(cpus).command_line(format!("init={program}")));
        let line = format!("{program}: all cases hold on {cpus} CPUs");
        assert!(transcript.console_contains(&line), "{transcript}");
    }
}

#[test]
fn fault_handlers_go_with_their_capabilities() {
    holds("handler_binding");
}

#[test]
fn handlers_that_take_too_long_end_the_program() {
    holds("handler_deadline");
}

#[test]
fn signals_reach_whoever_waits_and_no_wait_is_left() {
    holds("notifications");
}

#[test]
fn ends_that_bring_other_ends_do_not_nest() {
    holds("long_chains");
}

#[test]
fn a_fault_leaves_its_words_in_the_threads_own_buffer() {
    holds("fault_words");
}

#[test]
fn ends_meet_what_other_cpus_do() {
    holds("racing_ends");
}

#[test]
fn threads_stop_and_go_on_and_programs_are_killed() {
    holds("suspension");
}

#[test]
fn capabilities_travel_in_messages_and_between_slots() {
    holds("capability_transfer");
}

#[test]
fn replies_can_be_put_aside() {
    holds("saved_replies");
}

#[test]
fn drivers_outside_the_kernel_take_interrupts() {
    holds("interrupts");
}

#[test]
fn programs_share_frames() {
    holds("frames");
}

#[test]
fn the_more_urgent_run_at_once() {
    holds("priorities");
}

#[test]
fn no_object_is_taken_for_another() {
    holds("wrong_objects");
}

/// The program of the test above tries every call that the ABI says to refuse capabilities.
#[test]
fn every_call_with_a_capability_is_tried_with_wrong_ones() {
    let program = text("tests/programs/src/bin/wrong_objects.rs");
    // Those to which any kind of capability will do, and one that takes only capabilities in its message.
    let any = ["DeleteCapability", "RevokeCapability", "Reply"];
    let rows = table(&text("docs/abi.md"), "| number | call ");
    let refuses = |errors: &str| errors.contains("BadCapability") || errors.starts_with("as ");
    let calls = rows.iter().filter(|row| refuses(&row[4]) && !any.contains(&row[1].as_str()));
    let missing: Vec<&str> =
        calls.map(|row| row[1].as_str()).filter(|call| !program.contains(&format!("(SystemCall::{call}, "))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
