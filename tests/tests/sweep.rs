//! Non-maskable interrupts, machine checks and debug exceptions before each instruction of each other's entries, handlers and ways
//! out. Some of the instructions are taken, with `GATEHOUSE_SWEEP=all` all of them.

use ci::kernel_build;
use ci::machine::Machine;
use integration_tests::alone;
use integration_tests::sweep::Event::{MachineCheck, NonMaskable, Step};
use integration_tests::sweep::{Event, Range, Stand, Strike, Tally, sweep};

/// Instructions that each sweep takes unless all are wanted: together they take less than a minute.
const SOME: usize = 25;

fn range() -> Range {
    if std::env::var("GATEHOUSE_SWEEP").is_ok_and(|wanted| wanted == "all") { Range::All } else { Range::Some(SOME) }
}

fn start() -> anyhow::Result<Stand> {
    Stand::start(&Machine::new(), &kernel_build::build_once()?)
}

/// Sweeps the path behind the strikes with each of the sets of events.
fn sweeps(stand: &mut Stand, before: &[Strike], all_events: &[&[Event]]) -> Vec<Tally> {
    let each =
        |events: &&[Event]| sweep(&start, stand, before, events, range()).unwrap_or_else(|error| panic!("{error:#}"));
    all_events.iter().map(each).inspect(|tally| println!("{tally}")).collect()
}

fn all_good(tallies: &[Tally]) {
    let failed: Vec<String> = tallies.iter().filter(|tally| !tally.is_good()).map(Tally::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn whatever_comes_inside_an_nmi_is_survived() {
    let _alone = alone();
    let mut stand = start().unwrap_or_else(|error| panic!("{error:#}"));
    let events: [&[Event]; 5] =
        [&[NonMaskable], &[MachineCheck], &[MachineCheck, NonMaskable], &[Step], &[Step, NonMaskable]];
    all_good(&sweeps(&mut stand, &[Strike::at_mark(NonMaskable)], &events));
}

#[test]
fn whatever_comes_inside_a_machine_check_is_survived() {
    let _alone = alone();
    let mut stand = start().unwrap_or_else(|error| panic!("{error:#}"));
    let events: [&[Event]; 5] =
        [&[NonMaskable], &[MachineCheck], &[MachineCheck, NonMaskable], &[Step], &[Step, NonMaskable]];
    all_good(&sweeps(&mut stand, &[Strike::at_mark(MachineCheck)], &events));
}

/// The third one: inside a machine check, or a debug exception, inside an NMI before its first instruction.
#[test]
fn whatever_comes_inside_what_is_inside_an_nmi_is_survived() {
    let _alone = alone();
    let mut stand = start().unwrap_or_else(|error| panic!("{error:#}"));
    let nmi = Strike::at_mark(NonMaskable);
    let path = stand.path(std::slice::from_ref(&nmi)).unwrap_or_else(|error| panic!("{error:#}"));
    for inner in [MachineCheck, Step] {
        let before = [nmi.clone(), Strike::before(path[0].address, &[inner])];
        all_good(&sweeps(&mut stand, &before, &[&[NonMaskable], &[MachineCheck], &[MachineCheck, NonMaskable]]));
    }
}
