//! Which targets have tests: an executable without one costs a link and tells nothing.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use walkdir::WalkDir;

/// What has tests in a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Binaries with unit tests.
    pub binaries: Vec<String>,
    /// Packages with examples in their documentation.
    pub documented: Vec<String>,
}

#[derive(Deserialize)]
struct Top {
    workspace: Members,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<String>,
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
    lib: Option<Library>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

#[derive(Deserialize)]
struct Library {
    doctest: Option<bool>,
}

impl Targets {
    /// Looks through the sources of the workspace at `root`.
    ///
    /// # Errors
    /// A file cannot be read, or a manifest is none.
    pub fn find(root: &Path) -> Result<Self> {
        let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        let top: Top = toml::from_str(&read(&root.join("Cargo.toml"))?).context("Cargo.toml of the workspace")?;
        let mut targets = Self::default();
        for member in top.workspace.members {
            let folder = root.join(&member);
            let manifest: Manifest =
                toml::from_str(&read(&folder.join("Cargo.toml"))?).with_context(|| member.clone())?;
            let mut documented = false;
            for entry in WalkDir::new(folder.join("src")).sort_by_file_name() {
                let entry = entry?;
                if entry.path().extension() != Some(OsStr::new("rs")) {
                    continue;
                }
                let text = read(entry.path())?;
                let below = entry.path().strip_prefix(&folder)?;
                match below.strip_prefix("src/bin") {
                    Ok(file) if has_tests(&text) => targets.binaries.extend(binary(file)),
                    Ok(_) => {}
                    Err(_) => documented |= has_examples(&text),
                }
            }
            if documented && manifest.lib.is_none_or(|library| library.doctest != Some(false)) {
                targets.documented.push(manifest.package.name);
            }
        }
        targets.binaries.dedup();
        Ok(targets)
    }
}

/// The binary that a file below `src/bin` belongs to.
fn binary(file: &Path) -> Option<String> {
    Some(file.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_string())
}

fn has_tests(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "#[test]")
}

/// Whether a block of code in the documentation is one that rustdoc runs (The rustdoc book, "Documentation tests").
fn has_examples(text: &str) -> bool {
    let documentation = text.lines().filter_map(|line| {
        let line = line.trim();
        line.strip_prefix("//!").or_else(|| line.strip_prefix("///")).map(str::trim)
    });
    let mut inside = false;
    for fence in documentation.filter_map(|line| line.strip_prefix("```")) {
        let runs =
            ["", "rust", "no_run", "should_panic", "compile_fail"].contains(&fence.split(',').next().unwrap_or(""));
        if !inside && runs {
            return true;
        }
        inside = !inside;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_told_from_pictures() {
        assert!(has_examples("//! ```\n//! let a = 1;\n//! ```\n"));
        assert!(has_examples("    /// ```no_run\n    /// f();\n    /// ```\n"));
        assert!(has_examples("/// ```text\n/// a\n/// ```\n/// ```should_panic\n/// f();\n/// ```\n"));
        assert!(!has_examples("//! ```text\n//! a -> b\n//! ```\n"));
        assert!(!has_examples("// ```\n"));
    }

    #[test]
    fn every_test_of_this_workspace_is_in_a_target_that_is_built() {
        let targets = Targets::find(crate::workspace::root()).unwrap();
        for name in ["suite", "demo"] {
            assert!(targets.binaries.iter().any(|binary| binary == name), "{targets:?}");
        }
        assert!(targets.binaries.len() < 20, "{targets:?}");
        assert!(targets.documented.contains(&"ci".into()) && !targets.documented.contains(&"integration-tests".into()));
    }
}
