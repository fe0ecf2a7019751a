//! Breakpoints, debuggers and supervisors.

use ci::machine::Machine;
use ci::outcome::Outcome;
use integration_tests::{boot, boot_and_pass};

fn all_cases(machine: Machine, cpus: u32) {
    let transcript = boot_and_pass(&machine.smp(cpus).command_line("init=debugger"));
    assert!(transcript.console_contains(&format!("debugger: all cases hold on {cpus} CPUs")), "{transcript}");
    let stops = transcript.console.iter().filter(|line| line.ends_with("89 stops, all as expected")).count();
    assert_eq!(stops, cpus as usize, "{transcript}");
}

#[test]
fn debugger_steps_watches_and_continues_programs_on_every_cpu() {
    all_cases(Machine::new(), 4);
}

#[test]
fn debugger_and_debuggee_share_one_cpu() {
    all_cases(Machine::new(), 1);
}

#[test]
fn debugger_on_an_old_cpu_model() {
    all_cases(Machine::new().cpu("qemu64,-x2apic"), 2);
}

#[test]
fn debug_traps_pause_threads_on_every_cpu() {
    let hazards = "init=suite suite=paused,single_step,step_over_call,int_n,gs_base";
    let transcript = boot_and_pass(&Machine::new().command_line(hazards));
    assert!(transcript.console_contains("ok paused: 16 programs on 4 CPUs"), "{transcript}");
    assert!(transcript.console_contains("suite: 5 ok, 0 failed, 0 not run, on 4 CPUs"), "{transcript}");
}

/// Nobody is left to clear the breakpoint of the first program's only thread: the machine ends, and says why.
#[test]
fn debug_trap_of_the_only_thread_of_the_first_program_ends_the_machine() {
    let transcript = boot(&Machine::new().smp(2).command_line("init=single_step"));
    assert_eq!(transcript.outcome, Outcome::Fail, "{transcript}");
    let told = transcript.kernel.iter().any(|line| line.starts_with("fault: program=single_step (1)"));
    assert!(told, "{transcript}");
}

#[test]
fn debug_supervisor_restarts_a_crashing_program() {
    let transcript = boot_and_pass(&Machine::new().command_line("init=supervisor"));
    assert!(transcript.console_contains("supervisor: 44 runs on 4 CPUs"), "{transcript}");
    for cpu in 0..4 {
        for (run, reason) in [
            (0, "unknown instruction at 0x400000, address 0x400000, on CPU"),
            (1, "load page fault at 0x400040, address 0x0, on CPU"),
            (4, "exited with status 99"),
            (5, "paused at 0x400141, and given up"),
            (6, "ran for too long, and was killed"),
            (7, "done"),
        ] {
            let line = format!("supervisor: CPU {cpu} run {run}: {reason}");
            assert!(transcript.console.iter().any(|seen| seen.starts_with(&line)), "{line} in {transcript}");
        }
    }
}
