//! Who imports whom, and how far from a house with floors that is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::imports::{Named, Names};
use super::module_path;
use crate::policy::finding::Finding;
use crate::policy::tokens::Source;

/// Who may name vectors and what is behind the names of `arch`.
const PROCESSOR: [&str; 2] = ["arch", "entry"];
/// Who may name registers: those besides that run before there is a kernel, and the one that finds its block by GS.
const REGISTERS: [&str; 4] = ["arch", "boot", "cpu", "entry"];

/// The files that make an arrow, each with the first line that does.
pub(super) type Arrow = BTreeMap<PathBuf, usize>;

/// The modules and their arrows.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Lines of each module.
    pub(super) lines: BTreeMap<String, usize>,
    pub(super) arrows: BTreeMap<(String, String), Arrow>,
}

impl Graph {
    /// Reads the sources. What is named that nobody may name is a finding.
    pub(super) fn new(files: &BTreeMap<PathBuf, String>, names: &Names, findings: &mut Vec<Finding>) -> Self {
        let mut graph = Self::default();
        for (path, text) in files {
            let Some(parts) = module_path(path) else { continue };
            let Some(module) = parts.first().filter(|_| !is_test(&parts)) else { continue };
            *graph.lines.entry(module.clone()).or_default() += text.lines().count();
            // What is no Rust is told by the other rules.
            let Ok(source) = Source::new(path, text) else { continue };
            for (named, line) in names.named(&source, parts.len()) {
                match named {
                    Named::Module(other) if other != *module => {
                        let arrow = graph.arrows.entry((module.clone(), other)).or_default();
                        arrow.entry(path.clone()).or_insert(line);
                    }
                    Named::Processor(name) if !PROCESSOR.contains(&module.as_str()) => {
                        let message = format!("`{name}` is named: only `arch` and `entry` know vectors and x86-64");
                        findings.push(Finding::new(path, line, message));
                    }
                    Named::Register(name) if !REGISTERS.contains(&module.as_str()) => {
                        let message = format!("`{name}` is named: let `arch` do what is to be done");
                        findings.push(Finding::new(path, line, message));
                    }
                    Named::Unknown(name) => {
                        findings.push(Finding::new(path, line, format!("`crate::{name}` names no module")));
                    }
                    Named::Module(_) | Named::Processor(_) | Named::Register(_) => {}
                }
            }
        }
        graph
    }

    /// The one line: what the house is like.
    pub(super) fn line(&self, up: &[&(String, String)]) -> String {
        let lines: usize = self.lines.values().sum();
        let files: BTreeSet<&Path> =
            up.iter().flat_map(|arrow| self.arrows[*arrow].keys()).map(PathBuf::as_path).collect();
        let biggest = self.circles().into_iter().map(|circle| circle.len()).max().unwrap_or(0);
        let mutual = self.arrows.keys().filter(|(from, to)| from < to && self.has(to, from)).count();
        format!(
            "{} modules, {lines} lines, {} arrows, {} up in {} files, biggest circle {biggest}, {mutual} mutual pairs",
            self.lines.len(),
            self.arrows.len(),
            up.len(),
            files.len()
        )
    }

    fn has(&self, from: &str, to: &str) -> bool {
        self.arrows.contains_key(&(from.to_string(), to.to_string()))
    }

    /// The sets of modules, of two and more, that all reach each other.
    pub(super) fn circles(&self) -> Vec<Vec<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.lines.keys().map(|module| (module.as_str(), self.reached_from(module))).collect();
        let mut circles = BTreeSet::new();
        for (module, others) in &reached {
            let circle: Vec<&str> = others
                .iter()
                .copied()
                .filter(|other| reached.get(other).is_some_and(|back| back.contains(module)))
                .collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// All that a module reaches along arrows.
    fn reached_from<'graph>(&'graph self, module: &'graph str) -> BTreeSet<&'graph str> {
        let mut reached = BTreeSet::new();
        let mut next = vec![module];
        while let Some(module) = next.pop() {
            for (_, to) in self.arrows.keys().filter(|(from, _)| from == module) {
                if reached.insert(to.as_str()) {
                    next.push(to);
                }
            }
        }
        reached
    }
}

/// Whether a file holds tests only.
fn is_test(parts: &[String]) -> bool {
    parts.iter().skip(1).any(|part| part == "tests")
}
