//! A kernel that cannot go on reports once, whole, for all CPUs, and ends the machine with a value of its own.

use ci::machine::Machine;
use ci::outcome::Outcome;
use integration_tests::{FatalReport, boot_to_report, text};

fn report(case: &str, outcome: &Outcome) -> FatalReport {
    let line = format!("init=kernel_failure test-hooks case={case}");
    boot_to_report(&Machine::new().command_line(line), 4, outcome)
}

#[test]
fn a_trap_in_the_kernel_is_told_with_names() {
    let report = report("store", &Outcome::Lockdown);
    let first = report.order[0];
    report.expect(first, "internal 18 (store page fault) in the kernel: #PF store to an unmapped page in kernel mode");
    report.expect(first, "address 0xffffbfffdead0000");
    report.expect(first, "  rip=0xffffffff802");
    report.expect(first, "thread 1 of program kernel_failure (1)");
    report.expect(first, "on the interrupt stack");
    // From the failing instruction to the program, with the system call's trap between.
    report.expect(first, "gatehouse::test_hooks::run+");
    report.expect(first, "gatehouse::system_call::dispatch::any+");
    // The sample in the book has the functions that are called.
    let page = text("docs/lockdown.md");
    let (sample, _) = page.split_once("-- trap 256 interrupted --").expect("the book has a sample");
    let functions = sample.split(" gatehouse::").skip(1).filter_map(|rest| rest.split_once('+'));
    functions.for_each(|(function, _)| report.expect(first, &format!(" gatehouse::{function}+")));
    report.expect(first, "-- trap 256 interrupted --");
    report.expect(first, "    a program at 0x40");
    for other in &report.order[1..] {
        report.expect(*other, "stopped by interrupt");
        report.expect(*other, "no thread");
        report.expect(*other, "gatehouse::arch::x86_64::idle::idle+");
    }
}

#[test]
fn threads_that_wait_are_told_with_what_they_wait_for() {
    let report = report("waiting", &Outcome::Lockdown);
    for (cpu, what) in [
        (0, "thread 2 of program kernel_failure (1) waits for a message"),
        (1, "thread 3 of program kernel_failure (1) waits for somebody to receive its call"),
        (2, "thread 4 of program kernel_failure (1) waits for its handler to receive its fault"),
        (3, "thread 5 of program kernel_failure (1) waits for the reply to its fault"),
    ] {
        report.expect(cpu, what);
    }
}

#[test]
fn cpus_that_take_no_interrupt_are_stopped_by_nmi() {
    let report = report("hold", &Outcome::Lockdown);
    for other in &report.order[1..] {
        report.expect(*other, "stopped by NMI");
        report.expect(*other, "of program kernel_failure (1)");
        report.expect(*other, "gatehouse::test_hooks::hold+");
        report.expect(*other, "    a program at 0x40");
    }
}

#[test]
fn cpus_that_fail_at_once_share_one_report() {
    for _ in 0..3 {
        let report = report("store-all", &Outcome::Lockdown);
        // Not the first alone: a CPU that failed by itself says so, and was not interrupted in the middle.
        let failed = (0..4).filter(|cpu| report.says(*cpu, "store page fault) in the kernel")).count();
        assert!(failed > 0, "{}", report.transcript);
        let stopped = (0..4).filter(|cpu| report.says(*cpu, "stopped by ")).count();
        assert_eq!(failed + stopped, 4, "{}", report.transcript);
        (0..4).for_each(|cpu| report.expect(cpu, "of program kernel_failure (1)"));
    }
}

#[test]
fn a_panic_is_told_the_same_way() {
    let report = report("panic", &Outcome::Panic);
    let first = report.order[0];
    report.expect(first, "panicked at kernel/src/test_hooks.rs:");
    report.expect(first, "a program asked for it");
    report.expect(first, "gatehouse::test_hooks::run+");
    report.expect(first, "    a program at 0x40");
}

#[test]
fn cpus_that_panic_at_once_share_one_report() {
    let report = report("panic-all", &Outcome::Panic);
    report.expect(report.order[0], "a program asked for it");
}

#[test]
fn a_panic_before_the_first_program_has_a_backtrace() {
    let machine = Machine::new().smp(2).command_line("init=no_such_program");
    let report = boot_to_report(&machine, 2, &Outcome::Panic);
    report.expect(0, "cannot start the first program, no_such_program");
    report.expect(0, "on the boot stack");
    report.expect(0, "gatehouse::start::first_cpu::kernel_main+");
}

#[test]
fn without_the_word_no_program_can_ask_for_a_failure() {
    let transcript = integration_tests::boot(&Machine::new().smp(1).command_line("init=kernel_failure case=store"));
    assert_eq!(transcript.outcome, Outcome::Fail, "{transcript}");
    assert!(transcript.console_contains("Store came back: Err(NotPermitted)"), "{transcript}");
}

#[test]
fn cpus_tell_what_they_do_and_go_on() {
    let line = "init=kernel_failure test-hooks case=dump";
    let transcript = integration_tests::boot_and_pass(&Machine::new().command_line(line));
    for cpu in 0..4 {
        let head = format!("dump: CPU {cpu} (APIC id {cpu}): ");
        let at = transcript.kernel.iter().position(|line| line.starts_with(&head));
        let at = at.unwrap_or_else(|| panic!("no {head} in {transcript}"));
        let lines = &transcript.kernel[at + 1..];
        let own: Vec<_> = lines.iter().take_while(|line| line.starts_with("  ")).collect();
        assert!(own.iter().any(|line| line.contains("of program kernel_failure (1)")), "{transcript}");
        assert!(own.last().is_some_and(|line| line.starts_with("    a program at 0x40")), "{transcript}");
    }
}
