//! What the plan asks of the arrows.

use std::path::Path;

use super::PLAN;
use super::graph::{Arrow, Graph};
use super::plan::Plan;
use crate::policy::finding::Finding;

/// Holds the arrows against the plan. Answers those that lead up.
pub(super) fn check<'graph>(
    plan: &Plan,
    graph: &'graph Graph,
    findings: &mut Vec<Finding>,
) -> Vec<&'graph (String, String)> {
    let mut of_plan = |message: String| findings.push(Finding::new(Path::new(PLAN), 1, message));
    for module in graph.lines.keys().filter(|module| plan.floor(module).is_none()) {
        of_plan(format!("`{module}` is on no floor"));
    }
    for module in plan.modules().filter(|module| !graph.lines.contains_key(*module)) {
        of_plan(format!("there is no module `{module}`"));
    }
    for pair in &plan.pairs {
        if plan.floor(&pair.from) != plan.floor(&pair.to) || plan.floor(&pair.from).is_none() {
            of_plan(format!("`{} -> {}` is no pair of one floor", pair.from, pair.to));
        }
        if plan.pairs.iter().any(|back| back.from == pair.to && back.to == pair.from) {
            of_plan(format!("`{}` and `{}` are a pair both ways: a circle", pair.from, pair.to));
        }
        if !graph.arrows.contains_key(&(pair.from.clone(), pair.to.clone())) {
            of_plan(format!("the pair `{} -> {}` is no longer used: take it off", pair.from, pair.to));
        }
    }
    for exception in &plan.exceptions {
        let (from, to) = (&exception.from, &exception.to);
        match graph.arrows.get(&(from.clone(), to.clone())).filter(|_| is_up(plan, from, to)) {
            None => of_plan(format!("the exception `{from} -> {to}` is no longer used: take it off")),
            Some(arrow) if arrow.len() < exception.files => {
                of_plan(format!("the exception `{from} -> {to}` is made by {} files: say so", arrow.len()));
            }
            Some(_) => {}
        }
    }
    let up: Vec<_> = graph.arrows.iter().filter(|((from, to), _)| is_up(plan, from, to)).collect();
    for ((from, to), arrow) in &up {
        let exception = plan.exceptions.iter().find(|exception| exception.from == *from && exception.to == *to);
        if exception.is_none_or(|exception| arrow.len() > exception.files) {
            tell(from, to, arrow, findings);
        }
    }
    up.into_iter().map(|(names, _)| names).collect()
}

/// Whether an arrow leads up, or within its floor without being one of the pairs.
fn is_up(plan: &Plan, from: &str, to: &str) -> bool {
    let (Some(source), Some(target)) = (plan.floor(from), plan.floor(to)) else { return false };
    let is_pair = || plan.pairs.iter().any(|pair| pair.from == from && pair.to == to);
    target < source || (target == source && !is_pair())
}

/// One finding for each file: which of them is the new one nobody knows.
fn tell(from: &str, to: &str, arrow: &Arrow, findings: &mut Vec<Finding>) {
    for (path, line) in arrow {
        let message = format!("`{from}` imports `{to}`, which is not below it: register with it instead ({PLAN})");
        findings.push(Finding::new(path, *line, message));
    }
}
