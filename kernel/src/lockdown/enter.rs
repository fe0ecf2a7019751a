//! The way in: one CPU reports, whoever fails at the same time joins it.

use core::fmt::{self, Write as _};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};

use super::finish::end_machine;
use super::record::{Cause, STOP_RECORD, StopRecord, Stopped, cut};
use super::refusal::Refusal;
use super::{json, report, stop};
use crate::arch::{CodePoint, ExitStatus, Frame, TrapInfo, stop_cpu};
use crate::console::Emergency;
use crate::cpu::{self, ThisCpu};

/// The index of the CPU that reports; [`NOBODY`] while all is well.
pub(super) static REPORTER: AtomicU32 = AtomicU32::new(NOBODY);
pub(super) const NOBODY: u32 = u32::MAX;

/// Failures of the reporting CPU after its first.
static FURTHER: AtomicU32 = AtomicU32::new(0);

/// The record of the first CPU while it has no block.
static EARLY: StopRecord = StopRecord::new();

/// Ends the machine for a trap in the kernel: stops the other CPUs, prints one report.
pub fn enter(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame) -> ! {
    enter_uncontained(cpu, info, frame, None)
}

/// The same, with the reason for which the trap could not be contained.
pub fn enter_uncontained(cpu: &ThisCpu, info: &TrapInfo, frame: &Frame, refusal: Option<Refusal>) -> ! {
    let stopped = || Stopped::interrupted(cpu, Cause::Trap(*info, refusal), frame);
    end(Some(cpu), ExitStatus::Lockdown, &format_args!("{:?} in the kernel", info.number), stopped)
}

/// Ends the machine for a panic. The same way, without a trap.
pub fn panicked(info: &PanicInfo<'_>, point: CodePoint) -> ! {
    let cpu = cpu::try_this();
    let stopped = || Stopped::by_itself(cpu.as_ref(), Cause::Panic(cut(format_args!("{info}"))), point);
    end(cpu.as_ref(), ExitStatus::Panic, info, stopped)
}

fn end(cpu: Option<&ThisCpu>, verdict: ExitStatus, what: &dyn fmt::Display, stopped: impl FnOnce() -> Stopped) -> ! {
    let this = cpu.map_or(0, |cpu| cpu.index().get());
    match REPORTER.compare_exchange(NOBODY, this, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {}
        Err(reporter) if reporter == this => fail_in_report(verdict, what),
        Err(_) => {
            // Another CPU was first: it asks this one to stop, and finds that it has.
            record_of(cpu).write(stopped);
            stop_cpu()
        }
    }
    record_of(cpu).write(stopped);
    if let Some(cpu) = cpu {
        stop::stop_others(cpu);
    }
    let own = record_of(cpu);
    // Neither line can fail, and there would be nobody to tell.
    let _ = report::print(cpu, own, verdict, &mut Emergency::take());
    let _ = json::print(cpu, own, verdict);
    end_machine(verdict)
}

fn record_of(cpu: Option<&ThisCpu>) -> &'static StopRecord {
    cpu.map_or(&EARLY, |cpu| STOP_RECORD.of(cpu))
}

/// The report itself failed. One line, if that works; the machine ends in any case.
fn fail_in_report(verdict: ExitStatus, what: &dyn fmt::Display) -> ! {
    if FURTHER.fetch_add(1, Ordering::Relaxed) == 0 {
        let _ = writeln!(Emergency::take(), "\nthe report ends here, for another failure in it: {what}");
    }
    end_machine(verdict)
}
