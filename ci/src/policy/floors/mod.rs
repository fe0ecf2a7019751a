//! The floors of the kernel: its modules import only from below, by the plan in `kernel/floors.toml`.
//!
//! A module is a file or folder of `kernel/src`. An arrow leads from a module to one that it names by a path from the crate's
//! root: `crate::…`, `$crate::…`, or as many `super` as lead there, in imports, re-exports and code alike; tests are left out.

mod graph;
mod imports;
mod plan;
mod rules;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

use self::graph::Graph;
use self::imports::Names;
use self::plan::Plan;
use super::finding::Finding;

/// Where the plan is.
const PLAN: &str = "kernel/floors.toml";
/// Where the modules are.
const SOURCES: &str = "kernel/src";
/// Where the vectors have their names.
const VECTORS: &str = "kernel/src/arch/x86_64/vectors.rs";

/// Holds the kernel below `root` against its plan. Answers the breaches, and one line that counts.
///
/// # Errors
/// A file cannot be read.
pub fn check_floors(root: &Path) -> Result<(Vec<Finding>, String)> {
    let read =
        |path: &Path| fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {}", path.display()));
    let mut files = BTreeMap::new();
    for entry in WalkDir::new(root.join(SOURCES)).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() && entry.path().extension() == Some(OsStr::new("rs")) {
            let path = entry.path().strip_prefix(root)?.to_path_buf();
            let text = read(&path)?;
            files.insert(path, text);
        }
    }
    let plan = read(Path::new(PLAN))?;
    Ok(check(&plan, &files))
}

/// The same for texts: the plan, and the sources by their paths from the workspace.
fn check(plan: &str, files: &BTreeMap<PathBuf, String>) -> (Vec<Finding>, String) {
    let plan = match Plan::parse(plan) {
        Ok(plan) => plan,
        Err(error) => return (vec![Finding::new(Path::new(PLAN), 1, error)], String::new()),
    };
    let names = Names::new(files);
    let mut findings = Vec::new();
    let graph = Graph::new(files, &names, &mut findings);
    let up = rules::check(&plan, &graph, &mut findings);
    findings.sort();
    findings.dedup();
    (findings, graph.line(&up))
}

/// The parts of a file's path below the sources, without what ends it: `["memory", "frame"]`; empty for the crate's root.
fn module_path(path: &Path) -> Option<Vec<String>> {
    let inner = path.strip_prefix(SOURCES).ok()?;
    let mut parts: Vec<String> =
        inner.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    match parts.last().map(String::as_str) {
        Some("mod") => drop(parts.pop()),
        Some("lib" | "main") if parts.len() == 1 => parts.clear(),
        _ => {}
    }
    Some(parts)
}

#[cfg(test)]
mod tests;
