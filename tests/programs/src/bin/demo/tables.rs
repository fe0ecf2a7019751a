//! The tables on the console.

use gatehouse_runtime::abi::{BootDoor, SystemInformation};
use gatehouse_runtime::{print, println};

use crate::counters::{Reading, Tally};
use crate::names::EXCEPTIONS;
use crate::verdict::Verdict;

/// The name of the way by which the kernel was started.
pub(crate) const fn boot_name(system: &SystemInformation) -> &'static str {
    const PVH: u64 = BootDoor::Pvh as u64;
    const BIOS: u64 = BootDoor::Bios as u64;
    const UEFI: u64 = BootDoor::Uefi as u64;
    match system.boot {
        PVH => "pvh",
        BIOS => "bios",
        UEFI => "uefi",
        _ => "unknown",
    }
}

/// How the CPUs came up, and what each has of its own.
pub(crate) fn bring_up(system: &SystemInformation, readings: &[Reading]) {
    println!(
        "{} of {} CPUs online after {} us, started by {}",
        system.cpus_online,
        system.cpus_listed,
        system.bring_up_us,
        boot_name(system)
    );
    println!(
        "{:>4} {:>7} {:>9}  {:37}  {:18}  {:18}  {:18}  {:18}  {:18}",
        "CPU",
        "APIC id",
        "online us",
        "interrupt stack",
        "TSS",
        "IST NMI",
        "IST double fault",
        "IST machine check",
        "IST debug"
    );
    for reading in readings {
        let cpu = &reading.information;
        println!(
            "{:>4} {:>7} {:>9}  {:#018x}-{:#018x}  {:#018x}  {:#018x}  {:#018x}  {:#018x}  {:#018x}",
            cpu.index,
            cpu.apic_id,
            cpu.online_us,
            cpu.interrupt_stack_base,
            cpu.interrupt_stack_top,
            cpu.tss,
            cpu.ist_nmi,
            cpu.ist_double_fault,
            cpu.ist_machine_check,
            cpu.ist_debug
        );
    }
}

/// What each CPU counted. Only exceptions that any CPU had get a column. Page faults are listed as paged where the pager is.
pub(crate) fn by_cpu(before: &[Reading], after: &[Reading]) {
    let tallies = || before.iter().zip(after).map(|(before, after)| Tally::between(before, after));
    let mut sum = Tally::default();
    for tally in tallies() {
        sum += &tally;
    }
    let columns = || EXCEPTIONS.iter().filter(|exception| sum.exceptions[exception.vector] > 0);
    print!("{:>4}", "CPU");
    for exception in columns() {
        print!(" {:>6}", exception.mnemonic);
    }
    println!(
        " {:>7} {:>8} {:>7} {:>7} {:>6} {:>8} {:>10} {:>8} {:>8} {:>13}",
        "paged", "debugged", "timer", "IPI", "device", "spurious", "unexpected", "SYSCALL", "int 0x80", "deepest stack"
    );
    for (tally, reading) in tallies().zip(after) {
        print!("{:>4}", reading.information.index);
        for exception in columns() {
            print!(" {:>6}", tally.exceptions[exception.vector]);
        }
        println!(
            " {:>7} {:>8} {:>7} {:>7} {:>6} {:>8} {:>10} {:>8} {:>8} {:>13}",
            tally.paged,
            tally.debugged,
            tally.timer,
            tally.ipi,
            tally.device,
            tally.spurious,
            tally.unexpected,
            tally.by_syscall,
            tally.by_int80,
            reading.information.interrupt_stack_deepest
        );
    }
}

/// What came from outside, if anything did.
struct Unasked(u64);

impl core::fmt::Display for Unasked {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(out, "  {} unasked", self.0) }
    }
}

/// Each kind over all CPUs: what was done against what was counted. Kinds that neither were are left out.
pub(crate) fn by_kind(verdict: &Verdict<'_>) {
    println!("{:<28} {:>9} {:>9}", "kind", "expected", "counted");
    for row in verdict.rows().chain(verdict.handled()).filter(|row| row.expected > 0 || row.counted > 0) {
        let mark = if verdict.agrees(&row) { "" } else { "  WRONG" };
        let unasked = Unasked(row.unasked);
        println!("{:<28} {:>9} {:>9}{unasked}{mark}", row.name, row.expected, row.counted);
    }
}
