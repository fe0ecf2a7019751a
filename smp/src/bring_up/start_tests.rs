//! Starts on fake machines: the late CPU, the dead one, the one that answers twice, and many at once.

use std::vec;
use std::vec::Vec;

use percpu::ApicId;

use super::fake_machine::{BOOT_ID, Behaviour, FakeMachine};
use super::*;
use crate::icr::{Command, EncodeError};
use crate::local_apic::SendError;
use crate::trampoline::{Parameters, TrampolinePage};

const PAGE: u8 = 8;
const SIPI: Command = Command::Startup(PAGE);
const TIMING: Timing = Timing { deadline_ns: 100_000_000, ..Timing::STANDARD };
const PROMPT: Behaviour = Behaviour::Answers { after_ns: 20_000 };
/// Long after [`TIMING`]'s deadline.
const LATE_NS: u64 = 200_000_000;

/// Records with the ids 1, 2, …
fn records(count: u32) -> &'static [StartRecord] {
    (1..=count).map(|id| StartRecord::new(ApicId::new(id), 0x1000, 0)).collect::<Vec<_>>().leak()
}

extern "C" fn entry(_argument: u64) -> ! {
    unreachable!("not entered by a test")
}

/// A page of this process, which no CPU ever starts in.
fn page(records: &'static [StartRecord]) -> TrampolinePage {
    let page: &'static mut [u64] = vec![0; 512].leak();
    let parameters = Parameters { page_table_root: 0x20_0000, cr0: 0x8001_0033, cr4: 0x20, efer: 0x900, entry };
    // SAFETY: 4096 bytes of memory that is never freed; the machine's CPUs are made up, so that nothing else is needed.
    unsafe { TrampolinePage::install(page.as_mut_ptr().cast(), u32::from(PAGE) << 12, &parameters, records) }.unwrap()
}

fn run(machine: &FakeMachine<'_>, records: &'static [StartRecord]) -> Report {
    start_all(&page(records), machine, machine, &TIMING).unwrap()
}

#[test]
fn the_cpus_that_are_started_are_those_of_the_page() {
    let records = records(2);
    let page = page(records);
    assert!(core::ptr::eq(page.records(), records));
    assert_eq!((page.page_number(), page.physical()), (PAGE, 0x8000));
}

#[test]
fn no_cpus_send_nothing() {
    let machine = FakeMachine::new(&[], &[]);
    assert_eq!(run(&machine, &[]), Report::default());
    assert!(machine.sent.borrow().is_empty());
}

#[test]
fn prompt_cpus_get_one_init_and_one_sipi_each() {
    let records = records(3);
    let machine = FakeMachine::new(records, &[PROMPT; 3]);
    let report = run(&machine, records);
    assert_eq!(report.online.len(), 3);
    assert!(report.dead.is_empty());
    let ids = [1, 2, 3].map(ApicId::new);
    let expected: Vec<_> = ids.iter().map(|id| (Command::Init, *id)).chain(ids.iter().map(|id| (SIPI, *id))).collect();
    assert_eq!(*machine.sent.borrow(), expected);
    assert!((10_000_000..11_000_000).contains(&report.elapsed_ns), "{} ns", report.elapsed_ns);
    assert!(report.online.iter().all(|cpu| (10_000_000..11_000_000).contains(&cpu.online_ns)));
}

#[test]
fn the_init_delay_may_be_zero() {
    let records = records(2);
    let machine = FakeMachine::new(records, &[PROMPT; 2]);
    let timing = Timing { init_delay_ns: 0, ..TIMING };
    let report = start_all(&page(records), &machine, &machine, &timing).unwrap();
    assert_eq!(report.online.len(), 2);
    assert!(report.elapsed_ns < 1_000_000, "{} ns", report.elapsed_ns);
}

#[test]
fn only_who_has_not_arrived_gets_a_second_sipi() {
    let records = records(3);
    let machine = FakeMachine::new(records, &[PROMPT, Behaviour::NeedsSecondStartup, PROMPT]);
    let report = run(&machine, records);
    assert_eq!(report.online.len(), 3);
    assert_eq!([1, 2, 3].map(|id| machine.count(SIPI, id)), [1, 2, 1]);
}

#[test]
fn a_dead_cpu_is_named_and_the_rest_run() {
    let records = records(4);
    let machine = FakeMachine::new(records, &[PROMPT, Behaviour::Dead, PROMPT, Behaviour::Stalls]);
    let report = run(&machine, records);
    assert_eq!(report.online.iter().map(|cpu| cpu.apic_id.get()).collect::<Vec<_>>(), [1, 3]);
    let dead: Vec<_> = report.dead.iter().map(|cpu| (cpu.apic_id.get(), cpu.reached)).collect();
    assert_eq!(dead, [(2, State::Waiting), (4, State::Started)]);
    assert!(report.elapsed_ns >= TIMING.deadline_ns);
    assert!(report.elapsed_ns < TIMING.deadline_ns + 1_000_000);
    // The one that never came is reset; the one that runs kernel code is not torn out of it.
    assert_eq!([1, 2, 3, 4].map(|id| machine.count(Command::Init, id)), [1, 2, 1, 1]);
}

#[test]
fn a_late_cpu_is_reset_before_it_can_claim() {
    let records = records(2);
    let machine = FakeMachine::new(records, &[PROMPT, Behaviour::Answers { after_ns: LATE_NS }]);
    let report = run(&machine, records);
    assert_eq!(report.dead.len(), 1);
    machine.pass(2 * LATE_NS);
    assert_eq!(records[1].state(), State::TimedOut);
    assert_eq!(machine.claims_won(1), 0);
    assert!(!machine.halted(1), "the INIT left it waiting for a SIPI");
}

#[test]
fn a_late_cpu_that_no_init_stops_halts_itself() {
    let records = records(2);
    let machine = FakeMachine::new(records, &[PROMPT, Behaviour::AnswersDeafToInit { after_ns: LATE_NS }]);
    let report = run(&machine, records);
    assert_eq!(report.dead.len(), 1);
    machine.pass(2 * LATE_NS);
    assert_eq!(records[1].state(), State::TimedOut);
    assert_eq!(machine.claims_won(1), 0);
    assert!(machine.halted(1));
}

#[test]
fn a_cpu_late_between_claim_and_online_halts_itself() {
    let records = records(1);
    // It claims just before the deadline, and would be online just after it.
    let after_ns = TIMING.deadline_ns - TIMING.init_delay_ns - 25_000;
    let machine = FakeMachine::new(records, &[Behaviour::Answers { after_ns }]);
    let report = run(&machine, records);
    assert_eq!(report.dead[0].reached, State::Started);
    machine.pass(1_000_000);
    assert_eq!(records[0].state(), State::Stalled);
    assert!(machine.halted(0));
}

#[test]
fn a_cpu_that_answers_twice_counts_once() {
    let records = records(2);
    let machine = FakeMachine::new(records, &[Behaviour::AnswersTwice { after_ns: 20_000 }, PROMPT]);
    let report = run(&machine, records);
    assert_eq!(report.online.len(), 2);
    assert!(report.dead.is_empty());
    assert_eq!(machine.claims_won(0), 1);
    assert!(machine.halted(0), "the second answer halts");
}

#[test]
fn a_cpu_that_cannot_be_addressed_is_not_waited_for() {
    let error = SendError::Encode(EncodeError::IdTooLargeForXApic(ApicId::new(2)));
    let records = records(2);
    let machine = FakeMachine::new(records, &[PROMPT, Behaviour::Unreachable(error)]);
    let report = run(&machine, records);
    assert_eq!(report.online.len(), 1);
    assert_eq!(report.dead, [DeadCpu { apic_id: ApicId::new(2), reached: State::Waiting, send_error: Some(error) }]);
    assert!(report.elapsed_ns < 15_000_000, "{} ns", report.elapsed_ns);
    assert_eq!(machine.count(SIPI, 2), 0);
}

#[test]
fn many_cpus_start_in_parallel() {
    let count = 288;
    let records = records(count);
    let mut behaviours = vec![PROMPT; count as usize];
    behaviours[100] = Behaviour::Dead;
    behaviours[287] = Behaviour::NeedsSecondStartup;
    let machine = FakeMachine::new(records, &behaviours);
    let report = run(&machine, records);
    assert_eq!(report.online.len(), 287);
    assert_eq!(report.dead.len(), 1);
    assert_eq!(report.dead[0].apic_id, ApicId::new(101));

    let records = self::records(count);
    let machine = FakeMachine::new(records, &vec![PROMPT; count as usize]);
    let report = run(&machine, records);
    assert_eq!(report.online.len(), 288);
    assert!(report.elapsed_ns < 12_000_000, "one after the other would take far longer: {}", report.elapsed_ns);
}

#[test]
fn records_that_must_not_be_started_are_refused_before_anything_is_sent() {
    let own: &'static [StartRecord] = vec![StartRecord::new(BOOT_ID, 0x1000, 0)].leak();
    let machine = FakeMachine::new(own, &[PROMPT]);
    let refused = start_all(&page(own), &machine, &machine, &TIMING);
    assert_eq!(refused, Err(StartError::OwnRecord(BOOT_ID)));

    let used = records(1);
    assert!(used[0].claim());
    let machine = FakeMachine::new(used, &[PROMPT]);
    let refused = start_all(&page(used), &machine, &machine, &TIMING);
    assert_eq!(refused, Err(StartError::UsedRecord(ApicId::new(1), State::Started)));
    assert!(machine.sent.borrow().is_empty());
}
