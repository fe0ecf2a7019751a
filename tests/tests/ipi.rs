//! Interrupts between CPUs: every pair, all at once, and only those that must be interrupted.

use ci::machine::Machine;
use integration_tests::boot_and_pass;

#[test]
fn every_cpu_answers_every_other() {
    let transcript = boot_and_pass(&Machine::new().smp(3).command_line("init=ipi_cost"));
    for pair in ["0 to 1", "0 to 2", "1 to 0", "1 to 2", "2 to 0", "2 to 1"] {
        assert!(transcript.console_contains(&format!("ipi: CPU {pair}: there min ")), "{transcript}");
    }
    assert!(transcript.console_contains("ipi: all 2 others: min "), "{transcript}");
}

/// A page of a program that runs on some of four CPUs is taken away 103 times: that many interrupts for each other CPU that
/// runs it, none for those that do not.
#[test]
fn only_cpus_that_run_the_program_are_interrupted_when_it_loses_a_page() {
    let transcript = boot_and_pass(&Machine::new().smp(4).icount(true).command_line("init=ipi_cost"));
    for (others, interrupts) in [(0, 0), (1, 103), (2, 206), (3, 309)] {
        let (begin, end) =
            (format!("shootdown: {others} other CPUs: "), format!("; {interrupts} interrupts for 103 calls"));
        let found = transcript.console.iter().any(|line| line.starts_with(&begin) && line.ends_with(&end));
        assert!(found, "no line {begin}…{end} in {transcript}");
    }
}
