//! How the machine ends, whatever the verdict: every other CPU stands still, what was said has gone out, and then whatever ends this
//! machine, the most telling first.

use core::fmt::Write as _;
use core::sync::atomic::Ordering;

use super::enter::{NOBODY, REPORTER};
use super::stop;
use crate::arch::{ExitStatus, leave_emulator, stop_cpu};
use crate::console::{Emergency, EmergencyRecord};
use crate::cpu::ThisCpu;
use crate::power;
use crate::sync::graph;

/// Ends the machine with the verdict of the first program: stops the other CPUs, says the verdict on the console.
pub fn finish(cpu: &ThisCpu, verdict: ExitStatus) -> ! {
    let this = cpu.index().get();
    if REPORTER.compare_exchange(NOBODY, this, Ordering::AcqRel, Ordering::Acquire).is_err() {
        // Another CPU is in lockdown, and asks this one to stop by NMI.
        stop_cpu()
    }
    stop::stop_others(cpu);
    let word = if verdict == ExitStatus::Pass { "pass" } else { "fail" };
    // Neither can fail, and there would be nobody to tell.
    let _ = graph::write_record(&mut EmergencyRecord::take());
    let _ = writeln!(Emergency::take(), "machine: {word}");
    end_machine(verdict)
}

/// Ends the machine, whose other CPUs stand still: QEMU's exit device, power off, reset. Where nothing works this CPU stands still, too.
pub(super) fn end_machine(verdict: ExitStatus) -> ! {
    Emergency::take().drain();
    leave_emulator(verdict);
    power::turn_off();
    power::reset();
    stop_cpu()
}
