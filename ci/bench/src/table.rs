//! The counted operations as a table for the terminal.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{Cell, CellAlignment, Color, Table};

use super::catalogue::OPERATIONS;
use super::document::{Document, Operation};
use super::load::{Scale, Spread, Throughput};

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

/// Faults per second as a table.
pub fn faults(throughput: &Throughput) -> Table {
    let mut table = plain(["faults", "CPUs", "per second", "min", "max", "ratio"]);
    for row in &throughput.faults {
        let rate = |value: f64| format!("{value:.0}");
        let Spread { median, min, max } = row.per_second;
        let ratio = format!("{:.2}", row.ratio);
        table.add_row([row.layout.clone(), row.cpus.to_string(), rate(median), rate(min), rate(max), ratio]);
    }
    table
}

/// Machines of several sizes as a table.
pub fn sizes(scale: &Scale) -> Table {
    let header = ["CPUs", "boot ms", "online ms", "us for each", "memory KiB", "broadcast us", "shootdown us", "run s"];
    let mut table = plain(header);
    let microseconds =
        |spread: Option<Spread>| spread.map_or_else(|| "-".into(), |spread| format!("{:.1}", spread.median / 1000.0));
    for size in &scale.machines {
        table.add_row([
            size.cpus.to_string(),
            format!("{:.1}", size.boot_us as f64 / 1000.0),
            format!("{:.1}", size.bring_up_us as f64 / 1000.0),
            format!("{:.1}", size.bring_up_us as f64 / size.cpus.max(1) as f64),
            (size.bytes / 1024).to_string(),
            microseconds(size.broadcast),
            microseconds(size.shootdown),
            format!("{:.1}", size.seconds),
        ]);
    }
    table
}

/// How late sleepers run as a table.
pub fn sleeps(throughput: &Throughput) -> Table {
    let mut table = plain(["asleep ms", "late us", "min", "max", "samples"]);
    for sleep in &throughput.sleeps {
        let microseconds = |value: f64| format!("{:.1}", value / 1000.0);
        let Spread { median, min, max } = sleep.late;
        let asked = format!("{:.1}", sleep.asked as f64 / 1e6);
        table.add_row([
            asked,
            microseconds(median),
            microseconds(min),
            microseconds(max),
            sleep.samples.len().to_string(),
        ]);
    }
    table
}

fn plain<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(header);
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
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
