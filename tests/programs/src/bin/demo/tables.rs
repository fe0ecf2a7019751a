//! The tables on the console.

use gatehouse_runtime::abi::{BootProtocol, SystemInformation};
use gatehouse_runtime::{print, println};

use crate::counters::{Reading, Tally};
use crate::names::EXCEPTIONS;
use crate::verdict::Verdict;

/// The name of the way by which the kernel was started.
pub(crate) const fn boot_name(system: &SystemInformation) -> &'static str {
    const PVH: u64 = BootProtocol::Pvh as u64;
    const BIOS: u64 = BootProtocol::Bios as u64;
    const UEFI: u64 = BootProtocol::Uefi as u64;
    match system.boot {
        PVH => "pvh",
        BIOS => "bios",
        UEFI => "uefi",
        _ => "unknown",
    }
}

/// When each CPU came up, and what it has of its own.
pub(crate) fn bring_up(readings: &[Reading]) {
    println!("TSS and tops of the interrupt stack and of the IST stacks, all below 0xffff...:");
    println!(
        "{:>4} {:>5} {:>9} {:>12} {:>12} {:>12} {:>12} {:>13} {:>12}",
        "CPU", "APIC", "online us", "interrupts", "TSS", "NMI", "double fault", "machine check", "debug"
    );
    // The upper 16 bits of the kernel's addresses are all set.
    let low = |address: u64| address & 0xffff_ffff_ffff;
    for reading in readings {
        let cpu = &reading.information;
        println!(
            "{:>4} {:>5} {:>9} {:>12x} {:>12x} {:>12x} {:>12x} {:>13x} {:>12x}",
            cpu.index,
            cpu.apic_id,
            cpu.online_us,
            low(cpu.interrupt_stack_top),
            low(cpu.tss),
            low(cpu.ist_nmi),
            low(cpu.ist_double_fault),
            low(cpu.ist_machine_check),
            low(cpu.ist_debug)
        );
    }
}

/// What each CPU counted: exceptions, those that any CPU had, and below them the rest. Page faults are listed as paged where the
/// pager is.
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
    println!(" {:>7} {:>8}", "paged", "debugged");
    for (tally, reading) in tallies().zip(after) {
        print!("{:>4}", reading.information.index);
        for exception in columns() {
            print!(" {:>6}", tally.exceptions[exception.vector]);
        }
        println!(" {:>7} {:>8}", tally.paged, tally.debugged);
    }
    println!(
        "{:>4} {:>7} {:>7} {:>6} {:>8} {:>10} {:>8} {:>8} {:>13}",
        "CPU", "timer", "IPI", "device", "spurious", "unexpected", "SYSCALL", "int 0x80", "deepest stack"
    );
    for (tally, reading) in tallies().zip(after) {
        println!(
            "{:>4} {:>7} {:>7} {:>6} {:>8} {:>10} {:>8} {:>8} {:>13}",
            reading.information.index,
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
