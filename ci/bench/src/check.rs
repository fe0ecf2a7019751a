//! The check against the budgets.

use super::budgets::Budgets;
use super::deterministic::Counted;
use super::golden::Golden;

/// What is wrong, in lines for the terminal: operations over their budgets, each with its path; operations without a
/// budget, budgets without an operation, and counts that do not agree. Empty if nothing is.
pub fn complaints(counted: &Counted, budgets: &Budgets, golden: &Golden) -> Vec<String> {
    let mut complaints = counted.disagreements.clone();
    for (key, measurement) in &counted.measurements {
        match budgets.get(key) {
            None => complaints.push(format!("{key}: no budget; `cargo xtask bench --accept` sets it")),
            Some(budget) if measurement.median() > *budget => {
                let path = counted.path(key).map(|path| golden.difference(path, &counted.symbols)).unwrap_or_default();
                let over = measurement.median() - budget;
                let found = measurement.median();
                complaints.push(format!("{key}: {found} instructions, {over} over the budget of {budget}\n{path}"));
            }
            Some(_) => {}
        }
    }
    let sharing = counted.sharing();
    if sharing.cpus < 2 {
        complaints.push(format!("local faults were traced on {} CPUs only", sharing.cpus));
    }
    for line in &sharing.written_by_several {
        complaints.push(format!("more than one CPU writes the cache line at {line} for faults of its own threads"));
    }
    let gone = budgets.keys().filter(|key| !counted.measurements.contains_key(*key));
    complaints.extend(gone.map(|key| format!("{key}: has a budget, and was not measured")));
    complaints
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measurement;
    use crate::path::paths;
    use crate::registers::Registers;
    use crate::symbols::Symbols;
    use crate::trace::{LONGEST_INSTRUCTION, Step, Trace};

    /// A count of `call`, whose kernel executes these instructions.
    fn counted(code: &[&[u8]]) -> Counted {
        let step = |code: &&[u8]| {
            let mut bytes = [0x90; LONGEST_INSTRUCTION];
            bytes[..code.len()].copy_from_slice(code);
            Step { cpu: 0, registers: Registers { code_segment: 8, ..Registers::default() }, bytes }
        };
        let trace = Trace { name: "call*".into(), steps: code.iter().map(step).collect() };
        let paths = paths(&trace).unwrap();
        let measurements = measurement::from_paths(&paths);
        let symbols = Symbols::read(&std::env::current_exe().unwrap()).unwrap();
        Counted { measurements, paths, symbols, disagreements: Vec::new() }
    }

    #[test]
    fn one_instruction_too_many_is_told_with_the_line_that_was_added() {
        let [swapgs, push, cpuid]: [&[u8]; 3] = [&[0x0f, 0x01, 0xf8], &[0x50], &[0x0f, 0xa2]];
        let (before, after) = (counted(&[swapgs, push]), counted(&[swapgs, cpuid, push]));
        let mut golden = Golden::default();
        golden.accept(before.path("call").unwrap(), &before.symbols);
        let budgets: Budgets = BTreeMap::from([("call".into(), 2)]);
        let about_call = |counted: &Counted| {
            complaints(counted, &budgets, &golden).into_iter().find(|complaint| complaint.starts_with("call:"))
        };
        assert_eq!(about_call(&before), None);
        let told = about_call(&after).expect("3 instructions where 2 are allowed");
        assert!(told.starts_with("call: 3 instructions, 1 over the budget of 2"), "{told}");
        let added: Vec<&str> = told.lines().filter(|line| line.starts_with('+')).collect();
        assert!(matches!(added[..], [line] if line.contains("cpuid")), "{told}");
        assert!(told.lines().all(|line| !line.starts_with('-')), "{told}");
        let kept: Vec<&str> = told.lines().filter(|line| line.starts_with("  ")).collect();
        assert!(matches!(kept[..], [first, last] if first.contains("swapgs") && last.contains("push")), "{told}");
    }

    #[test]
    fn operations_and_budgets_belong_together() {
        let counted = counted(&[&[0x50]]);
        let told = |budgets: &Budgets| complaints(&counted, budgets, &Golden::default()).join("\n");
        assert!(told(&Budgets::new()).contains("call: no budget"));
        let budgets = BTreeMap::from([("call".into(), 1), ("nmi".into(), 1)]);
        assert!(told(&budgets).contains("nmi: has a budget, and was not measured"));
    }
}
