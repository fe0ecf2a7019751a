//! The budgets: the most instructions that each operation may take, checked in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::catalogue::{self, OPERATIONS};
use crate::workspace;

/// Budgets by key.
pub type Budgets = BTreeMap<String, u64>;

/// Where they are.
pub fn file() -> PathBuf {
    workspace::root().join("ci/bench/budgets.toml")
}

/// Reads them.
///
/// # Errors
/// The file cannot be read, or has a key that names no operation.
pub fn read(file: &Path) -> Result<Budgets> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let budgets: Budgets = toml::from_str(&text).with_context(|| format!("{}", file.display()))?;
    if let Some(key) = budgets.keys().find(|key| catalogue::find(key).is_none()) {
        bail!("{}: {key} is no operation", file.display());
    }
    Ok(budgets)
}

/// The file's text with other budgets: its comments at the beginning stay.
pub fn rewritten(text: &str, budgets: &Budgets) -> String {
    let head: String = text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let lines = OPERATIONS.iter().filter_map(|operation| {
        let budget = budgets.get(operation.key)?;
        Some(format!("{} = {budget}\n", operation.key))
    });
    format!("{head}\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_budgets_are_right() {
        let budgets = read(&file()).unwrap();
        let text = fs::read_to_string(file()).unwrap();
        assert_eq!(rewritten(&text, &budgets), text, "as `--accept` writes them");
    }

    #[test]
    fn rewriting_keeps_the_head_and_the_order() {
        let budgets = Budgets::from([("call".into(), 2), ("syscall_null".into(), 1)]);
        assert_eq!(rewritten("# one\n# two\ncall = 7\n", &budgets), "# one\n# two\n\nsyscall_null = 1\ncall = 2\n");
    }

    #[test]
    fn unknown_operations_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("budgets.toml");
        fs::write(&file, "calls = 3\n").unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("calls is no operation"));
    }
}
