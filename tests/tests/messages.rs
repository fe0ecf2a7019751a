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

#[test]
fn a_pager_on_each_cpu_resolves_all_faults() {
    let transcript = boot_and_pass(&Machine::new().command_line("init=pager"));
    assert!(transcript.console_contains("pager: 16384 page faults of 4 clients resolved by 4 pagers"), "{transcript}");
}

#[test]
fn one_pager_resolves_the_faults_of_all_cpus() {
    let transcript = boot_and_pass(&Machine::new().command_line("init=pager pager=one"));
    assert!(transcript.console_contains("pager: 16384 page faults of 4 clients resolved by 1 pagers"), "{transcript}");
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
