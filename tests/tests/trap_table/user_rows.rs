//! What the programs `trap_table` and `trap_events` saw.

use ci::machine::Machine;
use ci::transcript::Transcript;
use gatehouse_abi::{EndCause, TrapNumber};
use integration_tests::boot_and_pass;
use programs::{ExpectedTrap, Place, TRAP_CASES, TrapCase};
use serde_json::Value;

use crate::row::{Raised, Row, Space, in_words};

/// What the kernel handles by itself: the event, what should be seen, where it comes from, the vector.
const EVENTS: [(&str, &str, Space, Option<u8>, TrapNumber); 13] = {
    use Space::{Kernel, User};
    const GOES_ON: &str = "counted; goes on";
    [
        ("IPI in a program", GOES_ON, User, None, TrapNumber::IPI),
        ("device in a program", GOES_ON, User, None, TrapNumber::DEVICE),
        ("NMI in a program", GOES_ON, User, Some(2), TrapNumber::NON_MASKABLE),
        ("timer in a program", GOES_ON, User, None, TrapNumber::TIMER),
        ("IPI in the kernel", GOES_ON, Kernel, None, TrapNumber::IPI),
        ("device in the kernel", GOES_ON, Kernel, None, TrapNumber::DEVICE),
        ("NMI in the kernel", GOES_ON, Kernel, Some(2), TrapNumber::NON_MASKABLE),
        ("timer in the kernel", GOES_ON, Kernel, None, TrapNumber::TIMER),
        ("first use of the floating-point unit", GOES_ON, User, Some(7), TrapNumber::DEVICE_NOT_AVAILABLE),
        ("breakpoint that is cleared", "paused; goes on", User, Some(3), TrapNumber::BREAKPOINT),
        ("single step in the kernel", "ignored; goes on", Kernel, Some(1), TrapNumber::DEBUG),
        ("system call", "handled; result in RAX", User, None, TrapNumber::SYSTEM_CALL),
        ("user copy at an unmapped page", "error to the caller; goes on", Kernel, None, TrapNumber::LOAD_PAGE_FAULT),
    ]
};

/// One boot each of the two programs; every case and every event must have been recorded once.
pub fn seen() -> Vec<Row> {
    let machine = Machine::new().smp(2);
    let cases = boot_and_pass(&machine.clone().command_line("test-hooks init=trap_table"));
    let cases: Vec<&Value> = cases.others("trap_case").collect();
    assert_eq!(cases.len(), TRAP_CASES.len());
    let mut rows: Vec<Row> = TRAP_CASES
        .iter()
        .zip(cases)
        .enumerate()
        .map(|(index, (case, seen))| {
            assert_eq!(seen["case"].as_u64(), Some(index as u64));
            case_row(case, seen)
        })
        .collect();

    let transcript = boot_and_pass(&machine.command_line("test-hooks init=trap_events"));
    let events = events(&transcript);
    for (event, expected, space, vector, number) in EVENTS {
        let seen: Vec<&str> = events.iter().filter(|(name, _)| *name == event).map(|(_, seen)| *seen).collect();
        rows.push(Row {
            test: "trap_events".into(),
            trap: event.into(),
            space,
            raised: if event.starts_with("user copy") { Raised::Copy } else { Raised::Processor },
            vector,
            number: Some(number),
            expected: expected.into(),
            seen: seen.join(" and "),
        });
    }
    assert_eq!(events.len(), EVENTS.len(), "{events:?}");
    rows
}

/// The events that a program has recorded, and what it saw of each.
pub fn events(transcript: &Transcript) -> Vec<(&str, &str)> {
    transcript.others("trap_event").map(|event| (text(event, "event"), text(event, "seen"))).collect()
}

fn text<'value>(record: &'value Value, key: &str) -> &'value str {
    record[key].as_str().unwrap_or_else(|| panic!("{key} in {record}"))
}

fn words<const COUNT: usize>(record: &Value, key: &str) -> [u64; COUNT] {
    let words = record[key].as_array().unwrap_or_else(|| panic!("{key} in {record}"));
    let words: Vec<u64> = words.iter().map(|word| word.as_u64().expect("a number")).collect();
    words.try_into().unwrap_or_else(|_| panic!("{key} in {record}"))
}

fn case_row(case: &TrapCase, seen: &Value) -> Row {
    let expected = &case.expected;
    let address = match expected.address {
        Place::At(address) => format!("{address:#x}"),
        Place::InstructionPointer => "its own".into(),
        _ => String::new(),
    };
    let wanted = in_words(expected.trap, expected.vector, expected.error_code, &address);
    let message = message(expected, words(seen, "message"));
    let ends = [end(expected, words(seen, "without_handler")), end(expected, words(seen, "killed"))];
    // Where the program found it paused, and killed it.
    let is_paused = expected.trap.is_breakpoint() && words::<7>(seen, "without_handler")[0] == EndCause::Killed as u64;
    let comes_to =
        if expected.trap.is_breakpoint() { "message, then shut down, or paused" } else { "message, then shut down" };
    let seen = match () {
        () if is_paused && ends[1] == message => format!("message, then shut down, or paused: {message}"),
        () if ends.iter().all(|end| *end == message) => format!("message, then shut down: {message}"),
        () => format!("message: {message}; without a handler {}; killed {}", ends[0], ends[1]),
    };
    Row {
        test: format!("{} {:#x}", case.program, case.argument),
        trap: case.trap.into(),
        space: Space::User,
        raised: if case.program == "delivered" { Raised::Stub } else { Raised::Processor },
        vector: Some(u8::try_from(expected.vector).expect("vectors are bytes")),
        number: Some(expected.trap),
        expected: format!("{comes_to}: {wanted}"),
        seen,
    }
}

/// An address as the table has it: by its relation to RIP where the place is such a one.
fn place(expected: &ExpectedTrap, address: u64, instruction_pointer: u64) -> String {
    match expected.address {
        Place::InstructionPointer if address == instruction_pointer => "its own".into(),
        _ => format!("{address:#x}"),
    }
}

/// Cause, address, program counter and access of a message, in words.
fn message(expected: &ExpectedTrap, [cause, address, program_counter, access]: [u64; 4]) -> String {
    let number = TrapNumber::from_bits(cause);
    if !number.concerns_address() && address != program_counter {
        return format!("{number} with the address {address:#x} and not that of the instruction");
    }
    let error_code = access & 0xffff_ffff & !expected.error_code_either;
    in_words(number, access >> 32, error_code, &place(expected, address, program_counter))
}

/// Cause, trap, vector, error code, address, instruction and stack pointer of an end, in words.
fn end(
    expected: &ExpectedTrap,
    [cause, trap, vector, error_code, address, instruction_pointer, _]: [u64; 7],
) -> String {
    if cause != EndCause::Trap as u64 {
        return format!("cause {cause}");
    }
    let number = TrapNumber::from_bits(trap);
    if !number.concerns_address() && address != instruction_pointer {
        return format!("{number} with the address {address:#x} and not that of the instruction");
    }
    let at = place(expected, address, instruction_pointer);
    in_words(number, vector, error_code & !expected.error_code_either, &at)
}
