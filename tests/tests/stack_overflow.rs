//! Every kind of kernel stack overflows for real. Where one thread is to blame the kernel goes on without its program; else it
//! says which stack it was, of which CPU, how deep, and why it cannot go on.

use ci::machine::Machine;
use ci::outcome::Outcome;
use ci::transcript::Transcript;
use integration_tests::{FatalReport, boot_and_pass, boot_to_report, boot_with_monitor};

fn machine(line: &str) -> Machine {
    Machine::new().command_line(format!("{line} test-hooks"))
}

/// Each overflow is told in one line: stack, CPU, depth, program.
fn check_lines(transcript: &Transcript, stack: &str, count: usize, size: u64) {
    let lines: Vec<_> = transcript.kernel.iter().filter(|line| line.starts_with("contained: ")).collect();
    assert_eq!(lines.len(), count, "{transcript}");
    for line in lines {
        let rest = line.strip_prefix(&format!("contained: overflow of the {stack} of CPU ")).unwrap_or_else(|| {
            panic!("{line} is not about the {stack}");
        });
        let (cpu, rest) = rest.split_once(": ").expect("a CPU");
        let (depth, rest) = rest.split_once(&format!(" bytes deep of {size}; ")).expect("a depth");
        let depth: u64 = depth.parse().expect("a number");
        // All of the stack, and less than its guard page more.
        assert!(size < depth && depth <= size + 4096, "{line}");
        assert!(rest.starts_with("shut down: program=contained_overflow ("), "{line}");
        assert!(rest.contains(&format!(" cpu={cpu}; in gatehouse::test_overflow::overflow < ")), "{line}");
    }
}

const INTERRUPT_STACK: u64 = 256 * 1024;
const IST_STACK: u64 = 16 * 1024;

#[test]
fn interrupt_stacks_of_all_cpus_at_once_cost_the_programs_only() {
    let transcript = boot_and_pass(&machine("init=contained_overflow case=interrupt-stack"));
    assert!(transcript.console_contains("64 overflows contained on 4 CPUs"), "{transcript}");
    check_lines(&transcript, "interrupt stack", 64, INTERRUPT_STACK);
}

#[test]
fn debug_stacks_cost_the_programs_only() {
    let transcript = boot_and_pass(&machine("init=contained_overflow case=debug-stack"));
    assert!(transcript.console_contains("64 overflows contained on 4 CPUs"), "{transcript}");
    check_lines(&transcript, "debug stack", 64, IST_STACK);
}

/// NMIs come on one stack and the other by turns.
#[test]
fn an_nmi_stack_costs_the_program_only() {
    for (case, stack) in [("nmi-stack", "first NMI stack"), ("second-nmi-stack", "second NMI stack")] {
        let machine = machine(&format!("init=contained_overflow case={case}")).smp(1);
        let (transcript, ()) = boot_with_monitor(&machine, "ready for vector 2", |monitor, _| {
            // Nothing tells when the child is back from the call by which it said so.
            std::thread::sleep(std::time::Duration::from_millis(300));
            monitor.command("{\"execute\":\"inject-nmi\"}");
        });
        assert_eq!(transcript.outcome, Outcome::Pass, "{transcript}");
        check_lines(&transcript, stack, 1, IST_STACK);
    }
}

#[test]
fn a_machine_check_stack_costs_the_program_only() {
    let machine = machine("init=contained_overflow case=machine-check-stack").smp(1);
    let (transcript, ()) = boot_with_monitor(&machine, "ready for vector 18", |monitor, _| {
        // The same.
        std::thread::sleep(std::time::Duration::from_millis(300));
        monitor.human("mce 0 2 0xbd80000000000134 0x7 0x12345000 0x8c");
    });
    assert_eq!(transcript.outcome, Outcome::Pass, "{transcript}");
    check_lines(&transcript, "machine check stack", 1, IST_STACK);
}

fn locked_down(line: &str, cpus: usize, stack: &str, why: &str) -> FatalReport {
    let report = boot_to_report(&machine(line).smp(cpus as u32), cpus, &Outcome::Lockdown);
    let first = report.order[0];
    report.expect(first, "internal 40 (double fault) in the kernel: #DF");
    report.expect(first, &format!("overflow of the {stack} of CPU {first}: "));
    report.expect(first, &format!("not contained: {why}"));
    report.expect(first, "gatehouse::test_overflow::overflow+");
    report.expect(first, "times more)");
    report
}

#[test]
fn with_a_lock_held_it_is_lockdown() {
    let report = locked_down("init=kernel_failure case=locked", 4, "interrupt stack", "this CPU holds a lock");
    report.expect(report.order[0], "of program kernel_failure (1)");
    report.expect(report.order[0], "    a program at 0x40");
}

#[test]
fn with_a_list_of_the_cpus_borrowed_it_is_lockdown() {
    locked_down("init=kernel_failure case=borrowed", 4, "interrupt stack", "this CPU's own lists were being changed");
}

#[test]
fn the_double_fault_stack_itself_is_lockdown() {
    let why = "this CPU was handling an overflow already";
    // The second double fault begins at the top of the same stack, over what called the function that overflowed it.
    locked_down("init=kernel_failure case=double-fault-stack", 4, "double fault stack", why);
}

#[test]
fn an_nmi_stack_over_the_kernel_is_lockdown() {
    let why = "the handler had interrupted the kernel";
    let report = locked_down("init=kernel_failure case=nmi-in-kernel", 1, "first NMI stack", why);
    // Across the NMI into what it interrupted.
    report.expect(0, "-- trap 2 interrupted --");
    report.expect(0, "gatehouse::test_hooks::");
}

#[test]
fn the_stack_of_the_start_is_lockdown() {
    let report = locked_down("overflow=boot-stack", 2, "boot stack", "no thread runs on this CPU");
    report.expect(0, "gatehouse::start::first_cpu::kernel_main+");
    report.expect(1, "is not online");
}

#[test]
fn the_stack_of_a_starting_cpu_is_lockdown() {
    let report = locked_down("overflow=start-stack", 2, "interrupt stack", "no thread runs on this CPU");
    assert_eq!(report.order[0], 1, "{}", report.transcript);
    report.expect(1, "gatehouse::start::other_cpus::other_main+");
    report.expect(0, "stopped by NMI");
}
