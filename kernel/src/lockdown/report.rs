//! The report for people: whole lines on the serial line, explained in `docs/lockdown.md`.

use core::fmt::{self, Write};

use super::guard::{boot_stack, find_guard, stacks_of};
use super::record::{Cause, STOP_RECORD, StopRecord, Stopped};
use super::symbols;
use super::threads;
use crate::arch::{Arch, ArchTrap, ExitStatus, MACHINE_CHECKS, Step};
use crate::cpu::{self, Cpu, NMI, ThisCpu};

/// Prints the report of the calling CPU, whose record is `own`, and then what all others left.
pub(super) fn print(cpu: Option<&ThisCpu>, own: &StopRecord, verdict: ExitStatus, out: &mut dyn Write) -> fmt::Result {
    let title = if verdict == ExitStatus::Panic { "kernel panic" } else { "lockdown" };
    write!(out, "\n{title}: ")?;
    match own.read() {
        Some(stopped) => {
            one(cpu.map(ThisCpu::cpu), stopped, out)?;
            cpu.map_or(Ok(()), |cpu| threads::print_waiting(cpu.index(), out))?;
        }
        None => writeln!(out, "the CPU that reports has failed while it wrote its record")?,
    }
    let others = cpu.map(|this| cpu::all().iter().copied().filter(|block| block.index() != this.index()));
    for block in others.into_iter().flatten() {
        write!(out, "{title}: ")?;
        match STOP_RECORD.of(block).read() {
            Some(stopped) => {
                one(Some(block), stopped, out)?;
                threads::print_waiting(block.index(), out)?;
            }
            None if block.is_online() => {
                writeln!(out, "CPU {} (APIC id {}): does not answer", block.index(), block.apic_id())?;
            }
            None => writeln!(out, "CPU {} (APIC id {}): is not online", block.index(), block.apic_id())?,
        }
    }
    writeln!(out, "{title}: end of the report")
}

/// One CPU.
pub(super) fn one(block: Option<Cpu>, stopped: &Stopped, out: &mut dyn Write) -> fmt::Result {
    match block {
        Some(block) => write!(out, "CPU {} (APIC id {}): ", block.index(), block.apic_id())?,
        None => write!(out, "the first CPU, before it has its block: ")?,
    }
    match (&stopped.cause, &stopped.frame) {
        (Cause::Trap(info, refusal), Some(frame)) => {
            write!(out, "{:?} in the kernel: ", info.number)?;
            Arch::describe_cause(info, frame, out)?;
            writeln!(out, "\n  address {:#x}", info.address)?;
            if let Some(touch) = find_guard(info.address) {
                writeln!(out, "  {touch}")?;
            }
            if let Some(refusal) = refusal {
                writeln!(out, "  not contained: {refusal}")?;
            }
        }
        (Cause::Panic(message), _) => writeln!(out, "{message}")?,
        (Cause::NonMaskable, _) => writeln!(out, "stopped by NMI")?,
        _ => writeln!(out, "stopped by interrupt")?,
    }
    if let Some(frame) = &stopped.frame {
        write!(out, "  ")?;
        Arch::describe_registers(frame, out)?;
        writeln!(out)?;
    }
    if let Some(block) = block {
        errors(block, out)?;
    }
    match &stopped.running {
        Some(running) => {
            writeln!(out, "  thread {} of program {} ({})", running.thread, running.name, running.program)?;
        }
        None => writeln!(out, "  no thread")?,
    }
    where_on_stack(block, stopped.stack_pointer, out)?;
    writeln!(out, "  backtrace:")?;
    stopped.backtrace.iter().try_for_each(|step| line(*step, out))
}

/// Machine checks and NMIs that nobody asked for, if there were any.
fn errors(block: Cpu, out: &mut dyn Write) -> fmt::Result {
    let (checks, unexpected) = (MACHINE_CHECKS.of(block), NMI.of(block).unexpected());
    if let Some(event) = checks.last() {
        writeln!(out, "  last machine check: {event}")?;
        writeln!(
            out,
            "  machine checks: {} corrected, {} deferred, {} contained, {} times not all CPUs came",
            checks.corrected(),
            checks.deferred(),
            checks.contained(),
            checks.missed_meetings()
        )?;
    }
    if unexpected > 0 {
        writeln!(out, "  {unexpected} NMIs that nobody asked for")?;
    }
    Ok(())
}

/// Which stack was in use, and how much of it.
fn where_on_stack(block: Option<Cpu>, pointer: u64, out: &mut dyn Write) -> fmt::Result {
    let stacks = block.into_iter().flat_map(|block| stacks_of(&block)).chain(boot_stack());
    match stacks.into_iter().find(|stack| stack.holds(pointer) || stack.guards(pointer)) {
        Some(stack) => {
            let (used, size) = (stack.top - pointer, stack.top - stack.base);
            writeln!(out, "  on the {} {:#x}..{:#x}, {used} of {size} bytes in use", stack.name, stack.base, stack.top)
        }
        None => writeln!(out, "  on no stack of the kernel"),
    }
}

/// One step of a backtrace.
fn line(step: Step, out: &mut dyn Write) -> fmt::Result {
    match step {
        Step::At(address) => named(address, address, out),
        // The call is the instruction before: behind it another function may begin.
        Step::ReturnsTo(address) => named(address, address.wrapping_sub(1), out),
        Step::Again(times) => writeln!(out, "    (the same {times} times more)"),
        Step::Trap(vector) => writeln!(out, "    -- trap {vector} interrupted --"),
        Step::Program(address) => writeln!(out, "    a program at {address:#x}"),
        Step::Lost(pointer) => writeln!(out, "    (the frame pointer {pointer:#x} leads nowhere)"),
        Step::Cut => writeln!(out, "    (more steps are left out)"),
    }
}

fn named(address: u64, within: u64, out: &mut dyn Write) -> fmt::Result {
    match symbols::find(within) {
        Some(found) => writeln!(out, "    {address:#018x} {}+{:#x}", found.name, address - within + found.offset),
        None => writeln!(out, "    {address:#018x}"),
    }
}
