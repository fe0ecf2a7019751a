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
