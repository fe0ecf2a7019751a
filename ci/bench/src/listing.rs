//! A path in words: where its instructions go, and every one of them.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::instruction;
use super::path::Path;
use super::symbols::Symbols;

/// The whole of a path: totals, instructions by function as compiled and as written, each instruction.
pub fn listing(path: &Path, symbols: &Symbols) -> String {
    let mut out = String::new();
    summary(path, symbols, &mut out);
    let mut last = (usize::MAX, String::new());
    for (number, step) in path.steps.iter().enumerate() {
        let address = step.registers.instruction_pointer;
        let source = symbols.source(address);
        let place = (step.cpu, format!("{} ({})", source.function, source.line));
        if place != last {
            let _ = writeln!(out, "      ; CPU {} {}", place.0, place.1);
            last = place;
        }
        let text = instruction::text(&instruction::decode(step));
        let _ = writeln!(out, "{:5} {address:x}  {text}", number + 1);
    }
    out
}

/// Totals and instructions by function.
pub fn summary(path: &Path, symbols: &Symbols, out: &mut String) {
    let (kinds, lines) = (path.kinds(), path.lines(None));
    let _ = writeln!(
        out,
        "{}: {} instructions: {} entry, {} exit; {} serialising, {} MSR, {} swapgs, {} locked; {} cache lines touched, {} written",
        path.key,
        path.instructions(),
        path.entry(symbols),
        path.exit(symbols),
        kinds.serialising,
        kinds.msr,
        kinds.swapgs,
        kinds.locked,
        lines.touched.len(),
        lines.written.len(),
    );
    let compiled = path.steps.iter().map(|step| symbols.function(step.registers.instruction_pointer).to_string());
    table("by function, as compiled", compiled, out);
    let written = path.steps.iter().map(|step| symbols.source(step.registers.instruction_pointer).function);
    table("by function, as written (inlined ones apart)", written, out);
}

fn table(title: &str, names: impl Iterator<Item = String>, out: &mut String) {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(_, first), (_, second)| second.cmp(first));
    let _ = writeln!(out, "  {title}:");
    for (name, count) in counts {
        let _ = writeln!(out, "  {count:6} {name}");
    }
}
