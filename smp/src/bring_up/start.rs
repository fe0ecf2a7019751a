//! The starter: INIT, SIPI and a second SIPI where needed, to all listed CPUs in parallel.

use alloc::vec;
use core::fmt;

use percpu::ApicId;

use super::{DeadCpu, IpiSender, OnlineCpu, Report, StartRecord, State};
use crate::clock::{Clock, Wait};
use crate::icr::{Command, Destination};
use crate::local_apic::SendError;
use crate::trampoline::TrampolinePage;

/// How long each step of a start may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Nanoseconds from the last INIT to the first SIPI. Hardware of this century needs none or little; 0 is
    /// allowed.
    pub init_delay_ns: u64,
    /// Nanoseconds from the last SIPI to the second one, which goes only to CPUs that have not arrived.
    pub second_startup_delay_ns: u64,
    /// Nanoseconds from the first INIT after which a CPU that is not online counts as dead.
    pub deadline_ns: u64,
}

impl Timing {
    /// The manual's delays (10 ms and 200 µs), and five seconds for all.
    pub const STANDARD: Self =
        Self { init_delay_ns: 10_000_000, second_startup_delay_ns: 200_000, deadline_ns: 5_000_000_000 };
}

impl Default for Timing {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Why nothing was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// A record names the CPU that sends: the INIT would reset it.
    OwnRecord(ApicId),
    /// A record was used before.
    UsedRecord(ApicId, State),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnRecord(id) => write!(formatter, "APIC id {id} is the CPU that starts the others"),
            Self::UsedRecord(id, state) => {
                write!(formatter, "the start record of APIC id {id} was used before: {state}")
            }
        }
    }
}

impl core::error::Error for StartError {}

/// Starts the CPUs of the page's records, all in parallel, and waits until each is online or the deadline is over. The INITs and
/// SIPIs go to those CPUs and to no other.
///
/// A CPU that has not claimed its record by the deadline gets another INIT: it then waits for a SIPI that never
/// comes, where neither an NMI nor anything else can make it run. The page and the records stay in place all
/// the same. No NMI is broadcast while this runs: a CPU in the trampoline has no IDT, and an NMI shuts it down.
///
/// # Errors
/// When a record cannot be used; nothing was sent then.
pub fn start_all<S: IpiSender + ?Sized, C: Clock + ?Sized>(
    page: &TrampolinePage,
    sender: &S,
    clock: &C,
    timing: &Timing,
) -> Result<Report, StartError> {
    let (records, startup_page) = (page.records(), page.page_number());
    check(records, sender.own_id())?;
    if records.is_empty() {
        return Ok(Report::default());
    }

    let send = |command, record: &StartRecord| sender.send(command, Destination::Physical(record.apic_id()));
    let first_init_ns = clock.now_ns();
    let mut all_online = Wait::new(clock, timing.deadline_ns);

    let mut failures: alloc::vec::Vec<Option<SendError>> = vec![None; records.len()];
    let mut send_to_waiting = |command| {
        for (record, failure) in records.iter().zip(&mut failures) {
            if failure.is_none() && record.state() == State::Waiting {
                *failure = send(command, record).err();
            }
        }
    };
    send_to_waiting(Command::Init);
    Wait::new(clock, timing.init_delay_ns).until(|| false);
    send_to_waiting(Command::Startup(startup_page));
    let nobody_waits = || records.iter().all(|record| record.state() != State::Waiting);
    if !Wait::new(clock, timing.second_startup_delay_ns).until(nobody_waits) {
        send_to_waiting(Command::Startup(startup_page));
    }

    // A CPU that could not be told to start is not waited for. The list is walked in order and from where it
    // stopped, so that a round of waiting looks at one record and not at thousands.
    let mut settled = 0;
    all_online.until(|| {
        let open = |index: usize| records[index].state() != State::Online && failures[index].is_none();
        while settled < records.len() && !open(settled) {
            settled += 1;
        }
        settled == records.len()
    });

    let mut report = Report::default();
    for (record, send_error) in records.iter().zip(failures) {
        let Some(reached) = record.give_up() else {
            let online_ns = record.online_ns().saturating_sub(first_init_ns);
            report.online.push(OnlineCpu { apic_id: record.apic_id(), online_ns });
            continue;
        };
        if reached == State::Waiting && send_error.is_none() {
            // Should this one fail too, the claim still refuses the CPU.
            let _ = send(Command::Init, record);
        }
        report.dead.push(DeadCpu { apic_id: record.apic_id(), reached, send_error });
    }
    report.elapsed_ns = all_online.elapsed_ns();
    Ok(report)
}

/// Refuses records that must not be started.
fn check(records: &[StartRecord], own_id: ApicId) -> Result<(), StartError> {
    for record in records {
        if record.apic_id() == own_id {
            return Err(StartError::OwnRecord(own_id));
        }
        let state = record.state();
        if state != State::Waiting {
            return Err(StartError::UsedRecord(record.apic_id(), state));
        }
    }
    Ok(())
}
