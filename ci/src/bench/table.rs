//! The counted operations as a table for the terminal.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{Cell, CellAlignment, Color, Table};

use super::catalogue::OPERATIONS;
use super::document::{Document, Operation};

/// The table. Figures are guest instructions of the kernel.
pub fn table(document: &Document) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header([
        "operation",
        "instr.",
        "min",
        "max",
        "budget",
        "goal",
        "best peer",
        "serial.",
        "MSR",
        "swapgs",
        "locked",
        "lines",
        "written",
    ]);
    for operation in OPERATIONS {
        if let Some(row) = document.icount.get(operation.key) {
            table.add_row(cells(operation.key, row));
        }
    }
    for column in (1..6).chain(7..13) {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cells(key: &str, operation: &Operation) -> Vec<Cell> {
    let number = |value: Option<u64>| Cell::new(value.map_or_else(|| "-".into(), |value| value.to_string()));
    let instructions = match (operation.instructions, operation.budget, operation.target) {
        (Some(found), Some(budget), _) if found > budget => number(Some(found)).fg(Color::Red),
        (Some(found), _, Some(target)) if found <= target => number(Some(found)).fg(Color::Green),
        (None, ..) => Cell::new("not available"),
        (found, ..) => number(found),
    };
    let best = operation.peers.iter().min_by_key(|(_, value)| **value);
    let kinds = operation.kinds;
    vec![
        Cell::new(key),
        instructions,
        number(operation.min),
        number(operation.max),
        number(operation.budget),
        number(operation.target),
        Cell::new(best.map_or_else(String::new, |(name, value)| format!("{name} {value}"))),
        number(kinds.map(|kinds| kinds.serialising)),
        number(kinds.map(|kinds| kinds.msr)),
        number(kinds.map(|kinds| kinds.swapgs)),
        number(kinds.map(|kinds| kinds.locked)),
        number(operation.cache_lines.map(|lines| lines.touched)),
        number(operation.cache_lines.map(|lines| lines.written)),
    ]
}
