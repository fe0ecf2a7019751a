//! All rules over all files of the workspace.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use walkdir::{DirEntry, WalkDir};

use super::finding::Finding;
use super::tokens::Source;
use super::{arithmetic, attributes, length, manifests, places, safety, statics, words};

/// Checks the files below `root`.
///
/// # Errors
/// A file or folder cannot be read.
pub fn check_tree(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let entries = WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| is_ours(root, entry));
    for entry in entries {
        let entry = entry?;
        let is_source = entry.path().extension() == Some(OsStr::new("rs"));
        let is_page = entry.path().extension() == Some(OsStr::new("md"));
        if !entry.file_type().is_file() || !(is_source || is_page || entry.file_name() == "Cargo.toml") {
            continue;
        }
        let text =
            fs::read_to_string(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
        let path = entry.path().strip_prefix(root)?;
        words::check(path, &text, &mut findings);
        if is_source {
            check_source(path, &text, &mut findings);
        } else if !is_page {
            manifests::check(path, &text, &mut findings);
        }
    }
    arithmetic::check_list(root, &mut findings);
    findings.sort();
    Ok(findings)
}

fn check_source(path: &Path, text: &str, findings: &mut Vec<Finding>) {
    length::check(path, text, findings);
    match Source::new(path, text) {
        Ok(source) => {
            arithmetic::check(&source, findings);
            statics::check(&source, findings);
            places::check(&source, findings);
            attributes::check(&source, findings);
            safety::check(&source, findings);
        }
        Err(finding) => findings.push(finding),
    }
}

/// Neither build output nor hidden folders.
fn is_ours(root: &Path, entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    entry.path() == root || !(name.starts_with('.') || (entry.file_type().is_dir() && name == "target"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_have_file_and_line_and_build_output_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/src/lib.rs", "//! A.\nstatic mut X: u8 = 0;\n");
        write("target/b.rs", "static mut X: u8 = 0;\n");
        write(".hidden/c.rs", "static mut X: u8 = 0;\n");
        write("percpu/Cargo.toml", "[dependencies]\nkernel = \"1\"\n");
        write("broken.rs", "fn f( {\n");
        let findings: Vec<_> = check_tree(folder.path()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings[0].starts_with("a/src/lib.rs:2: `static mut`"));
        assert!(findings[1].starts_with("broken.rs:1: not Rust"));
        assert!(findings[2].starts_with("percpu/Cargo.toml:2:"));
    }
}
