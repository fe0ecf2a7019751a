//! What the demonstration's result says, in itself and beside the console.

use std::collections::BTreeSet;

use ci::machine::Machine;
use ci::record::Record;
use ci::result::{Boot, Cpu, Document};
use ci::transcript::Transcript;
use integration_tests::{boot_and_pass, checked_result};

/// Exceptions that the demonstration causes, by name.
const CAUSED: [&str; 8] = [
    "divide_error",
    "debug",
    "breakpoint",
    "overflow",
    "invalid_opcode",
    "general_protection",
    "page_fault",
    "system_call_int80",
];

fn demonstration(cpus: u32) -> (Transcript, Document) {
    let transcript = boot_and_pass(&Machine::new().smp(cpus));
    let document = checked_result(&transcript, cpus as usize);
    (transcript, document)
}

#[test]
fn counts_add_up() {
    let (transcript, document) = demonstration(4);
    assert_eq!(document.boot, Boot::Pvh);
    assert!(document.seconds > 0.0, "{transcript}");
    for name in CAUSED {
        assert!(document.traps.get(name).is_some_and(|count| count.expected > 100), "{name} in {transcript}");
    }
    let calls = ["system_call", "system_call_int80"];
    for (name, count) in &document.traps {
        if !calls.contains(&name.as_str()) {
            let sum: u64 = document.cpus.iter().filter_map(|cpu| cpu.traps.get(name)).sum();
            assert_eq!(sum, count.counted, "{name} in {transcript}");
        }
    }
    for (name, of_cpu) in
        [("page_fault_paged", (|cpu| cpu.paged) as fn(&Cpu) -> u64), ("stop_debugged", |cpu| cpu.debugged)]
    {
        let count = document.handled.get(name).unwrap_or_else(|| panic!("no {name} in {transcript}"));
        assert!(count.expected > 100 && count.expected == count.counted, "{name} in {transcript}");
        assert!(document.cpus.iter().all(|cpu| of_cpu(cpu) > 0), "{name} in {transcript}");
        assert_eq!(document.cpus.iter().map(of_cpu).sum::<u64>(), count.counted, "{name} in {transcript}");
    }
    let sum: u64 = document.cpus.iter().map(|cpu| cpu.system_calls).sum();
    assert_eq!(sum, calls.iter().map(|name| document.traps[*name].counted).sum::<u64>(), "{transcript}");
    assert!(document.cpus.iter().all(|cpu| cpu.timer > 0 && cpu.ipi > 0), "{transcript}");
}

#[test]
fn each_cpu_has_its_own_trap_state() {
    let (transcript, document) = demonstration(3);
    let mut addresses = BTreeSet::new();
    for cpu in &document.cpus {
        let ist = &cpu.ist;
        let stack = &cpu.interrupt_stack;
        let own = [
            cpu.block,
            cpu.gdt,
            cpu.tss,
            ist.nmi,
            ist.double_fault,
            ist.machine_check,
            ist.debug,
            stack.base,
            stack.top,
        ];
        assert!(own.into_iter().all(|address| addresses.insert(address)), "CPU {} in {transcript}", cpu.index);
        assert_eq!(stack.top.0 - stack.base.0, 256 * 1024, "{transcript}");
        assert!(stack.deepest > 0, "{transcript}");
        assert_eq!(cpu.online_us == 0, cpu.index == 0, "{transcript}");
        assert!(cpu.online_us <= document.bring_up_us, "{transcript}");
    }
}

#[test]
fn progress_goes_from_nothing_to_everything() {
    let (transcript, _) = demonstration(2);
    let progress: Vec<_> = transcript
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Progress(progress) => Some(progress),
            _ => None,
        })
        .collect();
    let (first, last) = (progress.first().expect("there is progress"), progress.last().expect("there is progress"));
    assert_eq!(first.text, "faults and system calls on 2 CPUs");
    assert_eq!((first.done, last.done), (0, last.total), "{transcript}");
    assert!(last.text.starts_with(&first.text) && last.text.ends_with(" debugged"), "{transcript}");
    assert!(progress.windows(2).all(|pair| pair[0].done <= pair[1].done && pair[0].total == pair[1].total));
}

#[test]
fn the_console_has_the_tables() {
    let (transcript, document) = demonstration(2);
    for cpu in &document.cpus {
        // Addresses stand there without the upper 16 bits, which are set in all of the kernel's.
        let low = |address: ci::result::Address| format!("{:x}", address.0 & 0xffff_ffff_ffff);
        let row = [low(cpu.interrupt_stack.top), low(cpu.tss), low(cpu.ist.nmi)];
        let found = transcript.console.iter().any(|line| line.split_whitespace().skip(3).take(3).eq(&row));
        assert!(found, "{row:?} in {transcript}");
    }
    let wide = transcript.console.iter().find(|line| line.chars().count() > 100);
    assert_eq!(wide, None, "more than 100 columns");
    for (name, count) in document.traps.iter().chain(&document.handled).filter(|(_, count)| count.expected > 0) {
        let row = [name.clone(), count.expected.to_string(), count.counted.to_string()];
        let found = transcript.console.iter().any(|line| line.split_whitespace().eq(&row));
        assert!(found, "{row:?} in {transcript}");
    }
}
