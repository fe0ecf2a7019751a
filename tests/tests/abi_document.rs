//! The numbers and offsets in `docs/abi.md` are those of the crate `gatehouse-abi`.

use std::mem::offset_of;

use gatehouse_abi::{
    CpuInformation, Error, FaultMessage, ProgramEnd, SwapInformation, SystemCall, SystemInformation, ThreadInformation,
    ThreadRegisters, TimerFirings, TrapNumber,
};

fn page() -> String {
    integration_tests::text("docs/abi.md")
}

/// The cells of the tables below a heading, up to the next heading; without heads and rules.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = page();
    let mut lines =
        page.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading || !line.starts_with('#'));
    assert!(lines.next().is_some(), "docs/abi.md has no heading {heading}");
    let table = lines.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|'));
    let cells = table.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect());
    cells.filter(|cells: &Vec<String>| cells[0].starts_with(|first: char| first.is_ascii_digit())).collect()
}

/// Checks the first two columns below a heading.
fn check(heading: &str, expected: impl IntoIterator<Item = (u64, String)>) {
    let documented: Vec<_> =
        rows(heading).into_iter().map(|cells| (cells[0].clone(), cells[1].trim_matches('`').to_string())).collect();
    let expected: Vec<_> = expected.into_iter().map(|(number, name)| (number.to_string(), name)).collect();
    assert_eq!(documented, expected, "below {heading}");
}

/// The offsets of all fields of a structure. Does not compile unless all are named.
macro_rules! fields {
    ($structure:ident { $($field:ident),* $(,)? }) => {{
        let $structure { $($field: _),* } = $structure::default();
        [$((offset_of!($structure, $field) as u64, stringify!($field).to_string())),*]
    }};
}

#[test]
fn system_calls() {
    let calls: Vec<_> = SystemCall::ALL.iter().map(|call| (*call as u64, format!("{call:?}"))).collect();
    let documented = rows("3. System calls");
    let documented: Vec<_> =
        documented.iter().take(calls.len()).map(|cells| (cells[0].parse(), cells[1].clone())).collect();
    let calls: Vec<_> = calls.into_iter().map(|(number, name)| (Ok(number), name)).collect();
    assert_eq!(documented, calls);
}

#[test]
fn errors() {
    check("4. Errors", Error::ALL.iter().map(|error| (*error as u64, format!("{error:?}"))));
}

#[test]
fn layouts() {
    check(
        "ProgramEnd",
        fields!(ProgramEnd {
            program,
            cause,
            status,
            trap,
            vector,
            error_code,
            address,
            instruction_pointer,
            stack_pointer,
            thread,
            cpu
        }),
    );
    check(
        "SystemInformation",
        fields!(SystemInformation {
            cpus_online,
            cpus_listed,
            boot,
            bring_up_us,
            frames_total,
            frames_in_use,
            heap_bytes_in_use,
            threads,
            programs,
            archive_files,
            bytes_per_cpu,
            interrupt_storms,
            console_received,
            console_queued,
            console_dropped
        }),
    );
    check(
        "SwapInformation",
        fields!(SwapInformation {
            store,
            slots,
            slots_in_use,
            frames,
            frames_limit,
            pages_out,
            pages_in,
            corrupt,
            disk_errors
        }),
    );
    check(
        "CpuInformation",
        fields!(CpuInformation {
            index,
            apic_id,
            online_us,
            block,
            gdt,
            tss,
            ist_nmi,
            ist_double_fault,
            ist_machine_check,
            ist_debug,
            interrupt_stack_base,
            interrupt_stack_top,
            interrupt_stack_deepest,
            exceptions,
            system_calls_syscall,
            system_calls_int80,
            timer,
            ipi,
            device,
            spurious,
            switches,
            unexpected_nmis,
            machine_checks_corrected,
            machine_checks_deferred,
            machine_checks_contained,
            machine_check_meetings_missed,
            threads_placed,
            threads_given,
            threads_asked,
            waited_beside_idle,
            unexpected_interrupts,
            device_vectors
        }),
    );
    check(
        "FaultMessage",
        fields!(FaultMessage { cause, address, program_counter, access, stack_pointer, flags, thread, cpu }),
    );
    check("TimerFirings", fields!(TimerFirings { count, due, fired }));
    check("ThreadInformation", fields!(ThreadInformation { number, cpu, state }));
    check(
        "ThreadRegisters",
        fields!(ThreadRegisters { general, instruction_pointer, stack_pointer, flags, fs_base, gs_base }),
    );
}

#[test]
fn trap_numbers() {
    let documented: Vec<u64> = rows("6. Trap numbers")
        .iter()
        .filter(|cells| !cells[0].contains('^'))
        .flat_map(|cells| {
            cells[0].split(',').map(|number| number.trim().parse().expect("a number")).collect::<Vec<_>>()
        })
        .collect();
    let mut internal: Vec<u64> =
        TrapNumber::ALL.iter().filter(|trap| !trap.is_external()).map(|trap| trap.to_bits()).collect();
    internal.sort_unstable();
    assert_eq!(documented, internal);
}
