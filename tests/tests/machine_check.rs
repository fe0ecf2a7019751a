//! Machine checks, injected by QEMU: one that is a program's own ends that program alone; one that needs no action is counted; one
//! that may have damaged anything ends the machine with a report.

use std::time::Duration;

use ci::machine::Machine;
use ci::outcome::Outcome;
use ci::transcript::Transcript;
use integration_tests::{FatalReport, boot_and_pass, boot_with_monitor, checked_result};

/// VAL UC EN MISCV ADDRV S AR, data load: the manual's recoverable error of what runs.
const ACTION_REQUIRED: &str = "0xbd80000000000134";
/// VAL UC EN MISCV ADDRV S, memory scrubbing.
const ACTION_OPTIONAL: &str = "0xbd000000000000c0";
/// VAL EN MISCV ADDRV, data load.
const CORRECTED: &str = "0x9c00000000000134";
/// VAL UC EN MISCV ADDRV PCC, internal parity.
const CONTEXT_CORRUPT: &str = "0xbe00000000000005";
/// MCIP EIPV RIPV.
const ABOUT_THE_INSTRUCTION: &str = "0x7";
/// MCIP RIPV.
const ABOUT_NOTHING: &str = "0x5";
/// MCIP.
const NO_WAY_BACK: &str = "0x4";

/// A model of Intel's that tells machine checks to all CPUs.
const INTEL: &str = "max,vendor=GenuineIntel,family=6,model=94";

fn mce(broadcast: bool, cpu: usize, bank: u32, status: &str, global: &str) -> String {
    let flag = if broadcast { "-b " } else { "" };
    // Physical address, page granularity.
    format!("mce {flag}{cpu} {bank} {status} {global} 0x12345000 0x8c")
}

/// What the program needs from its line to spinning, and the kernel to the end of a machine check.
const A_WHILE: Duration = Duration::from_millis(500);

/// Boots and injects the commands, one for each time that the program says that it spins; a command may be several, with line
/// ends between.
fn boot(machine: &Machine, case: &str, commands: Vec<String>) -> Transcript {
    let machine = machine.clone().command_line(format!("init=machine_check case={case}"));
    let (transcript, ()) = boot_with_monitor(&machine, "machine_check: spins", move |monitor, cue| {
        for (number, commands) in commands.iter().enumerate() {
            if number > 0 {
                cue.wait();
            }
            for command in commands.lines() {
                // Nothing tells when the program is back from the call by which it said so.
                std::thread::sleep(A_WHILE);
                monitor.human(command);
            }
        }
    });
    assert!(transcript.malformed.is_empty(), "{transcript}");
    transcript
}

fn boot_to_report(case: &str, command: String) -> FatalReport {
    let transcript = boot(&Machine::new(), case, vec![command]);
    FatalReport::read(transcript, 4, &Outcome::Lockdown)
}

#[test]
fn a_program_pays_for_its_own_error_on_every_cpu() {
    let commands = (0..4).map(|cpu| mce(false, cpu, 2, ACTION_REQUIRED, ABOUT_THE_INSTRUCTION)).collect();
    let transcript = boot(&Machine::new(), "ended", commands);
    assert_eq!(transcript.outcome, Outcome::Pass, "{transcript}");
    assert!(transcript.console_contains("machine_check: 4 contained, 0 deferred, 0 meetings missed"), "{transcript}");
    let cause = "bank 2: uncorrected, action required: data cache, level 0: data read (status 0xbd80000000000134";
    for cpu in 0..4 {
        let line = format!("machine check: CPU {cpu} {cause}");
        assert!(transcript.console_contains(&line), "no {line} in {transcript}");
    }
    let fault = "trap=internal 41 (machine check) cause=\"#MC uncorrected, action required: data cache";
    let faults = transcript.kernel.iter().filter(|line| line.contains(fault)).count();
    assert_eq!(faults, 4, "{transcript}");
}

#[test]
fn told_to_all_cpus_one_program_pays() {
    let commands = (0..4).map(|cpu| mce(true, cpu, 2, ACTION_REQUIRED, ABOUT_THE_INSTRUCTION)).collect();
    let transcript = boot(&Machine::new().cpu(INTEL), "ended", commands);
    assert_eq!(transcript.outcome, Outcome::Pass, "{transcript}");
    // QEMU gives the other CPUs an uncorrected error that was not enabled: they come, and go on.
    let line = "machine_check: 4 contained, 12 deferred, 0 meetings missed";
    assert!(transcript.console_contains(line), "{transcript}");
}

#[test]
fn what_should_be_told_to_all_and_is_not_is_waited_for_a_second() {
    let commands = (0..2).map(|cpu| mce(false, cpu, 2, ACTION_REQUIRED, ABOUT_THE_INSTRUCTION)).collect();
    let transcript = boot(&Machine::new().cpu(INTEL).smp(2), "ended", commands);
    assert_eq!(transcript.outcome, Outcome::Pass, "{transcript}");
    assert!(transcript.console_contains("machine_check: 2 contained, 0 deferred, 2 meetings missed"), "{transcript}");
}

#[test]
fn errors_that_need_no_action_are_counted() {
    // The first raises no exception; the second finds it.
    let commands = [mce(false, 1, 3, CORRECTED, "0"), mce(false, 1, 2, ACTION_OPTIONAL, ABOUT_NOTHING)].join("\n");
    let transcript = boot(&Machine::new(), "goes-on", vec![commands]);
    assert_eq!(transcript.outcome, Outcome::Pass, "{transcript}");
    assert!(transcript.console_contains("goes on after 1 corrected, 1 deferred, 0 contained"), "{transcript}");
}

#[test]
fn another_cpus_error_does_not_concern_this_one() {
    let commands = [mce(false, 1, 2, ACTION_REQUIRED, ABOUT_NOTHING), mce(false, 1, 2, ACTION_OPTIONAL, ABOUT_NOTHING)];
    let transcript = boot(&Machine::new(), "goes-on", vec![commands.join("\n")]);
    assert_eq!(transcript.outcome, Outcome::Pass, "{transcript}");
    assert!(transcript.console_contains("goes on after 0 corrected, 1 deferred, 0 contained"), "{transcript}");
}

#[test]
fn a_corrupt_context_is_lockdown() {
    let report = boot_to_report("hit", mce(false, 1, 4, CONTEXT_CORRUPT, ABOUT_THE_INSTRUCTION));
    assert_eq!(report.order[0], 1, "{}", report.transcript);
    report.expect(1, "internal 41 (machine check) in the kernel: #MC uncorrected, context corrupt: internal parity");
    report.expect(1, "address 0x12345000");
    report.expect(1, "last machine check: bank 4: uncorrected, context corrupt");
    report.expect(1, "of program machine_check (2)");
    report.expect(1, "    a program at 0x40");
}

#[test]
fn an_error_of_the_kernels_is_lockdown() {
    // CPU 2 is idle.
    let report = boot_to_report("hit", mce(false, 2, 2, ACTION_REQUIRED, ABOUT_THE_INSTRUCTION));
    assert_eq!(report.order[0], 2, "{}", report.transcript);
    report.expect(2, "#MC uncorrected, action required: data cache, level 0: data read");
    report.expect(2, "gatehouse::arch::x86_64::idle::idle+");
}

#[test]
fn without_a_way_back_it_is_lockdown() {
    let report = boot_to_report("hit", mce(false, 1, 2, ACTION_OPTIONAL, NO_WAY_BACK));
    report.expect(1, "#MC uncorrected, action optional: memory controller, channel 0: scrubbing");
}

#[test]
fn a_cpu_without_banks_runs_all_the_same() {
    let transcript = boot_and_pass(&Machine::new().smp(2).cpu("qemu64,-mca"));
    checked_result(&transcript, 2);
}
