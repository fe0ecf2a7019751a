//! Pages that are swapped out: what the program `trap_swap` saw of those that come back, and how programs end whose pages do not.

use std::time::Duration;

use ci::machine::Machine;
use ci::transcript::Transcript;
use gatehouse_abi::{EndCause, PageLoss, ProgramEnd, TrapNumber};
use integration_tests::{DiskFailure, SwapDisk, boot_and_pass};

use crate::row::{Raised, Row, Space};
use crate::user_rows::events;

/// What `trap_swap` does: the event, what should be seen, who meets the page, the number of the access.
const EVENTS: [(&str, &str, Space, TrapNumber); 5] = {
    use Space::{Kernel, User};
    const GOES_ON: &str = "swapped in; goes on";
    const CALL_GOES_ON: &str = "swapped in; the call does what it should";
    [
        ("load from a swapped page", GOES_ON, User, TrapNumber::LOAD_PAGE_FAULT),
        ("store to a swapped page", GOES_ON, User, TrapNumber::STORE_PAGE_FAULT),
        ("execution of a swapped page", GOES_ON, User, TrapNumber::EXECUTION_PAGE_FAULT),
        ("user copy from a swapped page", CALL_GOES_ON, Kernel, TrapNumber::LOAD_PAGE_FAULT),
        ("user copy to a swapped page", CALL_GOES_ON, Kernel, TrapNumber::STORE_PAGE_FAULT),
    ]
};

/// Pages that are lost: in words, the disk that there is, what else the command line says, the reason.
const LOSSES: [(&str, Option<DiskFailure>, &str, PageLoss); 3] = [
    ("damaged in compressed memory", None, "swap-corrupt=1", PageLoss::Corrupt),
    ("damaged on the disk", Some(DiskFailure::None), "swap-corrupt=1", PageLoss::Corrupt),
    ("that the disk fails to read", Some(DiskFailure::FailsToRead), "", PageLoss::InputOutput),
];

fn boot(command_line: &str, disk: Option<DiskFailure>) -> Transcript {
    let machine = Machine::new().smp(2).time_limit(Duration::from_secs(240)).command_line(command_line);
    match disk {
        None => boot_and_pass(&machine),
        Some(failure) => boot_and_pass(&SwapDisk::new(failure).attach_to(machine)),
    }
}

/// One boot with each store, and one for each way to lose a page and each who meets it.
pub fn seen() -> Vec<Row> {
    let mut rows = Vec::new();
    for (store, disk) in [("in compressed memory", None), ("on the disk", Some(DiskFailure::None))] {
        let transcript = boot("init=trap_swap", disk);
        let seen = events(&transcript);
        assert_eq!(seen.len(), EVENTS.len(), "{transcript}");
        for (event, expected, space, number) in EVENTS {
            let seen: Vec<&str> = seen.iter().filter(|(name, _)| *name == event).map(|(_, seen)| *seen).collect();
            rows.push(row("trap_swap", format!("{event}, {store}"), (space, number), expected, seen.join(" and ")));
        }
    }
    for (page, disk, words, loss) in LOSSES {
        let expected = format!("shut down: page lost, {}", in_words(loss));
        for (space, who, reader) in
            [(Space::User, "load from a page", ""), (Space::Kernel, "user copy from a page", " reader=parent")]
        {
            let program = format!("swap_error lost={}{reader}", loss as u64);
            let transcript = boot(&format!("init={program} {words}"), disk);
            let trap = format!("{who} {page}");
            rows.push(row(&program, trap, (space, TrapNumber::LOAD_PAGE_FAULT), &expected, end(&transcript)));
        }
    }
    rows
}

fn row(program: &str, trap: String, (space, number): (Space, TrapNumber), expected: &str, seen: String) -> Row {
    Row {
        test: program.to_string(),
        trap,
        space,
        raised: if space == Space::User { Raised::Processor } else { Raised::Copy },
        vector: (space == Space::User).then_some(14),
        number: Some(number),
        expected: expected.to_string(),
        seen,
    }
}

const fn in_words(loss: PageLoss) -> &'static str {
    match loss {
        PageLoss::Corrupt => "damaged",
        PageLoss::InputOutput => "input or output failed",
        PageLoss::NoMemory => "no memory",
    }
}

/// How the program ended that owned the page, as the program `swap_error` says.
fn end(transcript: &Transcript) -> String {
    let told = transcript.console.iter().find_map(|line| line.strip_prefix("swap_error: the program ended: "));
    let losses = [PageLoss::Corrupt, PageLoss::InputOutput, PageLoss::NoMemory];
    match losses.into_iter().find(|loss| told.is_some_and(|told| is_told(*loss, told))) {
        Some(loss) => format!("shut down: page lost, {}", in_words(loss)),
        None => format!("{told:?} in {transcript}"),
    }
}

/// Whether a program's end for this loss is told by these words, whatever the page's address.
fn is_told(loss: PageLoss, words: &str) -> bool {
    let end = ProgramEnd { cause: EndCause::PageLost as u64, status: loss as u64, ..ProgramEnd::default() }.to_string();
    end.split_once("0x0").is_some_and(|(before, after)| words.starts_with(before) && words.ends_with(after))
}
