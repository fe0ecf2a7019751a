//! A CPU with its interrupts off for too long is found, told of by NMI with its backtrace, and goes on.

use ci::machine::Machine;
use integration_tests::boot_and_pass;

fn held(words: &str) -> ci::transcript::Transcript {
    boot_and_pass(&Machine::new().smp(3).command_line(format!("init=held_cpu test-hooks {words}")))
}

#[test]
fn a_cpu_that_takes_no_interrupts_is_told_of_once_and_when_it_is_back() {
    let transcript = held("watchdog=1 held=4000");
    let is_ours = |line: &&String| line.starts_with("watchdog: ");
    let lines: Vec<_> = transcript.kernel.iter().filter(is_ours).collect();
    let [stuck, back] = lines[..] else { panic!("not two lines of the watchdog in {transcript}") };
    let begin = "watchdog: CPU 2 has taken no interrupt for 1000 ms; it last entered the kernel by SYSCALL from RIP 0x";
    assert!(stuck.starts_with(begin), "{transcript}");
    assert_eq!(back, "watchdog: CPU 2 takes interrupts again", "{transcript}");
    // What the CPU itself told by NMI comes right behind, in one piece.
    let after = transcript.kernel.iter().skip_while(|line| !is_ours(line)).skip(1);
    let told: Vec<_> = after.take_while(|line| line.starts_with("dump: ") || line.starts_with("  ")).collect();
    assert_eq!(told.first().map(|line| line.as_str()), Some("dump: CPU 2 (APIC id 2): stopped by NMI"), "{transcript}");
    assert_eq!(told.iter().filter(|line| line.starts_with("dump: ")).count(), 1, "{transcript}");
    let backtrace: Vec<_> = told.iter().skip_while(|line| **line != "  backtrace:").skip(1).collect();
    assert!(backtrace.iter().any(|line| line.contains("test_hooks::hold+0x")), "{transcript}");
    assert!(backtrace.last().is_some_and(|line| line.starts_with("    a program at 0x40")), "{transcript}");
}

/// Idle and busy CPUs are well, and so is one that is late but within the limit.
#[test]
fn a_cpu_that_is_back_in_time_is_not_told_of() {
    let transcript = held("watchdog=8 held=2000");
    assert!(!transcript.console_contains("watchdog: "), "{transcript}");
}

#[test]
fn the_watchdog_can_be_turned_off() {
    let transcript = held("watchdog=0 held=2000");
    assert!(!transcript.console_contains("watchdog: "), "{transcript}");
}

#[test]
fn a_cpu_that_does_not_answer_costs_memory_and_not_the_machine() {
    let machine = Machine::new().smp(2).command_line("init=unanswered_flush test-hooks answer=1");
    let transcript = boot_and_pass(&machine);
    assert!(transcript.console_contains("unanswered_flush: waited for"), "{transcript}");
    let said = |text: &str| transcript.kernel.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        said("CPU 0: not answered in time: a TLB shootdown; CPU 1 last entered the kernel by"),
        2,
        "{transcript}"
    );
    assert_eq!(said("memory: 1 pages that a CPU may still reach are kept back, 1 in all"), 1, "{transcript}");
    assert_eq!(said("memory: 5 pages that a CPU may still reach are kept back, 6 in all"), 1, "{transcript}");
    assert_eq!(said("CPU 1 answers again, and has flushed its TLB"), 1, "{transcript}");
}
