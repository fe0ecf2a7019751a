//! The budgets: the most instructions that each operation may take, checked in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::catalogue::{self, OPERATIONS};
use ci::workspace;

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

/// What the line with the compiler begins with, among the comments.
const COMPILER: &str = "# Counted with ";

/// Operations whose figures move with the compiler of the kernel: they copy and clear pages, and the compiler decides in how
/// many instructions.
pub const MOVING: [&str; 3] = ["page_fault_fresh", "swap_in_ram", "thread_create"];

/// The compiler with which the budgets were counted, where the file says so.
pub fn compiler(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix(COMPILER)).map(|name| name.trim_end_matches('.'))
}

/// What stands behind a row: why it takes what it does.
fn reason<'text>(text: &'text str, key: &str) -> &'text str {
    let row = text.lines().find(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = ")));
    row.and_then(|row| row.find("  # ").map(|place| &row[place..])).unwrap_or_default()
}

/// The file's text with other budgets, counted with `compiler`: its other comments at the beginning stay, and those behind rows.
pub fn rewritten(text: &str, budgets: &Budgets, compiler: Option<&str>) -> String {
    let mut head: String = text
        .lines()
        .take_while(|line| line.starts_with('#'))
        .filter(|line| compiler.is_none() || !line.starts_with(COMPILER))
        .map(|line| format!("{line}\n"))
        .collect();
    head.extend(compiler.map(|compiler| format!("{COMPILER}{compiler}.\n")));
    let lines = OPERATIONS.iter().filter_map(|operation| {
        let budget = budgets.get(operation.key)?;
        Some(format!("{} = {budget}{}\n", operation.key, reason(text, operation.key)))
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
        assert_eq!(rewritten(&text, &budgets, None), text, "as `--accept` writes them");
    }

    #[test]
    fn rewriting_keeps_the_head_and_the_order() {
        let budgets = Budgets::from([("call".into(), 2), ("syscall_null".into(), 1)]);
        let text = "# one\n# two\ncall = 7\n";
        assert_eq!(rewritten(text, &budgets, None), "# one\n# two\n\nsyscall_null = 1\ncall = 2\n");
        let old = rewritten(text, &budgets, Some("rustc 1"));
        let new = rewritten(&old, &budgets, Some("rustc 2"));
        assert_eq!(new, "# one\n# two\n# Counted with rustc 2.\n\nsyscall_null = 1\ncall = 2\n");
        assert_eq!((compiler(text), compiler(&old), compiler(&new)), (None, Some("rustc 1"), Some("rustc 2")));
        assert!(MOVING.iter().all(|key| catalogue::find(key).is_some()));
    }

    #[test]
    fn rewriting_keeps_why_a_row_takes_what_it_does() {
        let budgets = Budgets::from([("call".into(), 2), ("call_cross".into(), 3)]);
        let text = "# one\n\ncall = 7  # a reason; another\ncall_cross = 8\n";
        assert_eq!(rewritten(text, &budgets, None), "# one\n\ncall = 2  # a reason; another\ncall_cross = 3\n");
    }

    #[test]
    fn unknown_operations_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("budgets.toml");
        fs::write(&file, "calls = 3\n").unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("calls is no operation"));
    }
}
