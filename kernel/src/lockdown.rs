//! Lockdown: a trap in the kernel that it cannot go on from. See `docs/lockdown.md`.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch::{Arch, Frame, Verdict, exit, stop_cpu};
use crate::console::Emergency;
use crate::cpu::ThisCpu;
use crate::nmi;
use crate::trap::{ArchTrap, TrapFrame, TrapInfo};

/// Set by the first CPU that goes into lockdown.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Stops the other CPUs, prints one report, ends the machine.
pub fn enter(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> ! {
    if ENTERED.swap(true, Ordering::AcqRel) {
        // Another CPU's report is under way, or this is a trap inside the report.
        stop_cpu();
    }
    nmi::stop_other_cpus();
    let mut out = Emergency::take();
    // Writing to the serial line cannot fail.
    let _ = report(cpu, info, frame, &mut out);
    exit(Verdict::Lockdown)
}

fn report(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame, out: &mut dyn Write) -> fmt::Result {
    write!(out, "\nlockdown: CPU {} (APIC id {}): {:?} in the kernel: ", cpu.index(), cpu.apic_id(), info.number)?;
    Arch::describe_cause(info, frame, out)?;
    writeln!(out)?;
    writeln!(out, "  address {:#x}", info.address)?;
    write!(out, "  ")?;
    Arch::describe_registers(frame, out)?;
    writeln!(out)?;
    match cpu.current() {
        Some(thread) => writeln!(out, "  thread {} of program {}", thread.number(), thread.program().name())?,
        None => writeln!(out, "  no thread")?,
    }
    let stack = cpu.interrupt_stack();
    let pointer = frame.stack_pointer();
    writeln!(out, "  interrupt stack {:#x}..{:#x}, in use: {}", stack.base(), stack.top(), stack.holds(pointer))
}

/// Something that the kernel cannot work without does not work.
pub fn broken(what: fmt::Arguments<'_>) -> ! {
    panic!("{what}")
}
