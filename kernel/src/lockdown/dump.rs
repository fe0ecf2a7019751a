//! What a CPU is doing at this moment, without stopping it: it tells by NMI, whatever it does, and goes on.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use smp::icr::{Command, Destination};

use super::record::{Cause, DUMP_RECORD, Stopped};
use super::report;
use super::waiting::wait;
use crate::arch::Frame;
use crate::console;
use crate::cpu::{Cpu, NMI, NMI_DUMP, ThisCpu};
use crate::ipi;
use crate::sync::assert_no_locks_held;

/// How long a CPU has to answer. Nanoseconds.
const DEADLINE: u64 = 1_000_000_000;

/// Why nothing was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpError {
    /// Another dump is under way.
    Busy,
    /// The CPU has not answered within a second.
    Silent,
}

/// Set while somebody asks: one at a time.
static ASKING: AtomicBool = AtomicBool::new(false);

/// Prints what a CPU, which may be the calling one, was doing when the NMI came: registers, thread and backtrace, as in a
/// report.
///
/// # Errors
/// [`DumpError`].
pub fn dump(this: &ThisCpu, target: Cpu) -> Result<(), DumpError> {
    dump_if(this, target, format_args!(""), |_| true).map(|_| ())
}

/// The same behind a title, which has its own line ends, and only if the context that the NMI interrupted is `wanted`. Answers
/// whether it was printed.
///
/// # Errors
/// [`DumpError`].
pub fn dump_if(
    this: &ThisCpu,
    target: Cpu,
    title: fmt::Arguments<'_>,
    wanted: impl FnOnce(&Frame) -> bool,
) -> Result<bool, DumpError> {
    assert_no_locks_held("a dump of another CPU");
    if ASKING.swap(true, Ordering::Acquire) {
        return Err(DumpError::Busy);
    }
    let result = ask(this, target, title, wanted);
    ASKING.store(false, Ordering::Release);
    result
}

fn ask(
    this: &ThisCpu,
    target: Cpu,
    title: fmt::Arguments<'_>,
    wanted: impl FnOnce(&Frame) -> bool,
) -> Result<bool, DumpError> {
    let record = DUMP_RECORD.of(target);
    // An answer that came too late for whoever asked before.
    record.clear();
    NMI.of(target).request(NMI_DUMP);
    if this.apic().send(Command::Nmi, Destination::Physical(target.apic_id())).is_err() {
        return Err(DumpError::Silent);
    }
    wait(DEADLINE, || {
        // That CPU may be waiting for this one.
        ipi::answer_calls(this);
        record.read().is_some()
    });
    let stopped = record.read().ok_or(DumpError::Silent)?;
    let printed = stopped.frame.as_ref().is_some_and(wanted);
    if printed {
        console::block(|out| {
            // The serial line cannot fail.
            let _ = write!(out, "{title}dump: ");
            let _ = report::one(Some(target), stopped, out);
        });
    }
    record.clear();
    Ok(printed)
}

/// This CPU was asked to tell what it is doing; `frame` was interrupted by the NMI. Takes no lock and allocates nothing.
pub fn answer_by_nmi(cpu: &ThisCpu, frame: &Frame) {
    DUMP_RECORD.of(cpu).write(|| Stopped::interrupted(cpu, Cause::NonMaskable, frame));
}
