//! The book lists every type of trap with its handler; the handlers are there, under those names, and what the list says of
//! them is what was seen of them.

use std::collections::BTreeMap;

use gatehouse_abi::TrapNumber;
use integration_tests::{table, text};

const PAGE: &str = "docs/isa/x86_64/trap.md";
const HANDLERS: &str = "kernel/src/entry/handlers";

/// The types of traps that every port of the kernel has, by number: bit 63 says external.
const AGREED: [(u64, &str); 16] = [
    (0, "unaligned_instruction_handler"),
    (1, "unaligned_load_handler"),
    (2, "unaligned_store_handler"),
    (8, "execution_of_invalid_memory_handler"),
    (9, "load_of_invalid_memory_handler"),
    (10, "store_of_invalid_memory_handler"),
    (16, "execution_page_fault_handler"),
    (17, "load_page_fault_handler"),
    (18, "store_page_fault_handler"),
    (24, "unknown_instruction_handler"),
    (25, "breakpoint_handler"),
    (33, "system_call_handler"),
    (1 << 63, "ipi_handler"),
    (1 << 63 | 1, "timer_handler"),
    (1 << 63 | 2, "external_device_handler"),
    // Not among the agreed ones, but what the list of x86-64 must not lack: vectors without a type of their own.
    (47, "reserved_exception_handler"),
];

/// A row of the list.
struct Row {
    number: TrapNumber,
    vectors: String,
    handler: String,
    file: String,
    from_user: String,
    from_kernel: String,
}

fn rows() -> Vec<Row> {
    let rows = table(&text(PAGE), "| number | type | vector | handler ");
    let code = |cell: &str| cell.trim_matches('`').to_string();
    rows.iter()
        .map(|cells| {
            let bits = match cells[0].strip_prefix("2^63+") {
                Some(cause) => cause.parse::<u64>().map(|cause| cause | 1 << 63),
                None => cells[0].parse(),
            };
            let number = TrapNumber::from_bits(bits.unwrap_or_else(|error| panic!("{cells:?}: {error}")));
            assert_eq!(cells[1], number.description());
            let [vectors, from_user, from_kernel] = [2, 5, 6].map(|cell| cells[cell].clone());
            Row { number, vectors, handler: code(&cells[3]), file: code(&cells[4]), from_user, from_kernel }
        })
        .collect()
}

#[test]
fn every_type_of_trap_is_listed_with_a_handler_of_its_name() {
    let rows = rows();
    let numbers: Vec<TrapNumber> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, TrapNumber::ALL, "every number, in order");
    for (bits, handler) in AGREED {
        let row = rows.iter().find(|row| row.number.to_bits() == bits);
        assert_eq!(row.map(|row| row.handler.as_str()), Some(handler), "{bits:#x}");
    }
    for row in &rows {
        let name = match row.number {
            TrapNumber::IPI => "ipi_handler".to_string(),
            number => format!("{}_handler", number.description().replace([' ', '-'], "_")),
        };
        assert_eq!(row.handler, name);
        let source = text(&format!("{HANDLERS}/{}.rs", row.file));
        let defines = |line: &str| {
            let line = line.trim_start();
            line.split_once("fn ").is_some_and(|(_, rest)| rest.starts_with(&format!("{name}(")))
                || line == format!("{name};")
        };
        assert_eq!(source.lines().filter(|line| defines(line)).count(), 1, "{name} in {}.rs", row.file);
        assert!(!row.from_user.is_empty() && !row.from_kernel.is_empty(), "{name}");
    }
}

/// The handlers that a source leads to, with their files, by what stands before the arrow.
fn arms(source: &str) -> BTreeMap<String, (String, String)> {
    let arms = source.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(" => "));
    arms.filter_map(|(pattern, place)| {
        let (file, handler) = place.split_once("::")?;
        Some((pattern.to_string(), (file.to_string(), handler.to_string())))
    })
    .collect()
}

/// Where the vector decides alone, or the way in is another, nothing goes by number.
#[test]
fn the_handlers_that_are_called_are_those_of_the_list() {
    let by_number = arms(&text(&format!("{HANDLERS}/by_number.rs")));
    let names = text("kernel/abi/src/trap_number.rs");
    let constant = |number: TrapNumber| {
        let mark = format!(", \"{}\";", number.description());
        let line = names.lines().find(|line| line.ends_with(&mark)).expect("every number has a constant");
        format!("TrapNumber::{}", line.trim().split(' ').next().unwrap_or_default())
    };
    let tables = format!("{}{}", text(&format!("{HANDLERS}/tables.rs")), text("kernel/src/entry/dispatch.rs"));
    let mut used = 0;
    for row in rows() {
        let pattern = if row.number == TrapNumber::RESERVED_EXCEPTION { "_".into() } else { constant(row.number) };
        match by_number.get(&pattern) {
            Some(place) => {
                assert_eq!(*place, (row.file, row.handler), "{pattern}");
                used += 1;
            }
            // A row of its own calls it, which a table or the IST entry leads to.
            None => {
                let source = text(&format!("{HANDLERS}/{}.rs", row.file));
                let has_row = |line: &str| {
                    let name = line.split_once("impl Row for ").or_else(|| line.split_once("impl Call for "));
                    name.is_some_and(|(_, name)| tables.contains(name.trim_end_matches([' ', '{'])))
                };
                let uses = source.matches(&format!("{}(", row.handler)).count();
                assert!(uses > 1 && source.lines().any(has_row), "nothing leads to {}", row.handler);
            }
        }
    }
    assert_eq!(used, by_number.len());
}

#[test]
fn every_exception_vector_is_among_those_of_its_type() {
    let rows = rows();
    let has = |row: &Row, vector: &str| row.vectors.split(", ").any(|other| other == vector);
    for cells in table(&text(PAGE), "| vector | mnemonic ") {
        let (_, name) = cells[6].split_once(' ').expect("number and name of the trap");
        let row = rows.iter().find(|row| row.number.description() == name);
        assert!(row.is_some_and(|row| has(row, &cells[0])), "vector {} is not listed with {name}", cells[0]);
    }
}

/// How rows of the table of what was seen begin, by what the list says comes of a trap. `None`: that has words of its own there.
fn as_seen(policy: &str) -> Option<&'static str> {
    match policy {
        "lockdown" => Some("lockdown: "),
        _ if policy.ends_with("message, else shut down") => Some("message, then shut down: "),
        "message, else paused" => Some("message, then shut down, or paused: "),
        _ => None,
    }
}

#[test]
fn what_the_list_promises_was_seen() {
    let seen = text("docs/trap-table.md");
    // Program, trap, space, who raised it, expected, seen.
    let seen: Vec<Vec<&str>> =
        seen.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let mut shown = 0;
    for row in rows() {
        let words = format!(": {} {}, vector ", row.number.cause(), row.number);
        for (space, policy) in [("user", &row.from_user), ("kernel", &row.from_kernel)] {
            let of_it = seen.iter().filter(|cells| cells.len() == 6 && cells[2] == space && cells[5].contains(&words));
            let Some(start) = as_seen(policy) else { continue };
            for cells in of_it {
                assert!(cells[5].starts_with(start), "{}: {policy}, but seen was {cells:?}", row.handler);
                shown += 1;
            }
        }
    }
    assert!(shown > 60, "only {shown} rows of the table are about types of the list");
}
