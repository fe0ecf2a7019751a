//! Faults as messages: pagers, replies of every kind, and what they cost.

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

/// The most guest instructions that each part of an exchange may take in the kernel, on one CPU and across two. A slower
/// path is a line in the diff of this table.
const BUDGETS: [(&str, u64); 8] = [
    ("fault to handler, same CPU", 138),
    ("reply to resumed, same CPU", 133),
    ("call to server, same CPU", 139),
    ("reply to caller, same CPU", 141),
    ("fault to handler, other CPU", 800),
    ("reply to resumed, other CPU", 720),
    ("call to server, other CPU", 780),
    ("reply to caller, other CPU", 735),
];

/// Instructions, not time: the same on every host.
#[test]
fn messages_stay_within_their_budgets() {
    let transcript = boot_and_pass(&Machine::new().smp(2).icount(true).command_line("init=message_cost"));
    for (name, budget) in BUDGETS {
        let prefix = format!("cost: {name}: min ");
        let line = transcript.console.iter().find_map(|line| line.strip_prefix(&prefix));
        let line = line.unwrap_or_else(|| panic!("no line {prefix} in {transcript}"));
        let median: u64 = line.split_whitespace().last().and_then(|word| word.parse().ok()).expect("a number");
        assert!(median <= budget, "{name}: {median} instructions, budget {budget}");
        assert!(median > 50, "{name}: {median} instructions cannot be");
    }
}
