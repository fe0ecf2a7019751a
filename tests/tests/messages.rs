//! Faults as messages: pagers, and replies of every kind. What they cost is in `bench.rs`.

use ci::machine::Machine;
use integration_tests::boot_and_pass;

#[test]
fn every_reply_to_a_fault_has_its_effect() {
    let transcript = boot_and_pass(&Machine::new().command_line("init=fault_replies"));
    assert!(transcript.console_contains("fault_replies: all cases hold on 4 CPUs"), "{transcript}");
}

#[test]
fn every_reply_to_a_fault_has_its_effect_on_one_cpu() {
    let transcript = boot_and_pass(&Machine::new().smp(1).command_line("init=fault_replies"));
    assert!(transcript.console_contains("fault_replies: all cases hold on 1 CPUs"), "{transcript}");
}

/// The clients check the contents of every page; the program, that each fault was resolved as it must be, that nobody has written to
/// the image, and that the kernel has in use what it had.
fn pagers_resolve_all_faults(cpus: u32, pagers: u32, words: &str) {
    let transcript = boot_and_pass(&Machine::new().smp(cpus).command_line(format!("init=pager{words}")));
    for line in [
        format!("pager: {} page faults of {cpus} clients resolved by {pagers} pagers in ", 4096 * cpus),
        format!("pager: {0} pages of the image shared, {0} copied, for {1} clients; ", 512 * cpus, 2 * cpus),
        format!(" pages in all, and {cpus} grew past their limit"),
    ] {
        assert!(transcript.console_contains(&line), "{line} is missing in {transcript}");
    }
}

#[test]
fn a_pager_on_each_cpu_resolves_all_faults() {
    pagers_resolve_all_faults(4, 4, "");
}

#[test]
fn one_pager_resolves_the_faults_of_all_cpus() {
    pagers_resolve_all_faults(4, 1, " pager=one");
}

#[test]
fn a_pager_resolves_the_faults_of_the_only_cpu() {
    pagers_resolve_all_faults(1, 1, "");
}

#[test]
fn threads_keep_their_floating_point_registers_over_messages() {
    let transcript = boot_and_pass(&Machine::new().command_line("init=float_messages"));
    assert!(transcript.console_contains("float_messages: every thread kept its registers"), "{transcript}");
}

#[test]
fn threads_keep_their_floating_point_registers_without_fsgsbase_and_xsave() {
    let transcript = boot_and_pass(&Machine::new().smp(2).cpu("qemu64").command_line("init=float_messages"));
    assert!(transcript.console_contains("float_messages: every thread kept its registers"), "{transcript}");
}
