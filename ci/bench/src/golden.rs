//! The paths as they were when the budgets were accepted, so that a slower one can be shown with what was added.
//!
//! Kept are functions and mnemonics, in the order of execution: registers and addresses change with every build.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::instruction;
use super::path::Path;
use super::symbols::Symbols;
use ci::workspace;

/// A function and a mnemonic.
type Word = (String, String);

/// Accepted paths by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Golden(BTreeMap<String, Vec<Word>>);

/// Where they are.
pub fn file() -> PathBuf {
    workspace::root().join("ci/bench/paths.txt")
}

/// What the file begins with.
const HEAD: &str = "# What the kernel executed for each operation when its budget was accepted: functions, as compiled, and mnemonics.\n\
                    # Written by `cargo xtask bench --accept`; `--check` shows a slower path against it.\n";

impl Golden {
    /// Reads the file; none is as good as an empty one.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read() -> Result<Self> {
        let file = file();
        match fs::read_to_string(&file) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn parse(text: &str) -> Self {
        let mut golden = Self::default();
        let mut key = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                key = name.to_string();
                golden.0.entry(key.clone()).or_default();
            } else if let Some((function, mnemonics)) = line.rsplit_once(": ") {
                let words = mnemonics.split_whitespace().map(|word| (function.to_string(), word.to_string()));
                golden.0.entry(key.clone()).or_default().extend(words);
            }
        }
        golden
    }

    /// Replaces a path.
    pub fn accept(&mut self, path: &Path, symbols: &Symbols) {
        self.0.insert(path.key.clone(), words(path, symbols));
    }

    /// An accepted path: functions and mnemonics, in the order of execution.
    pub fn path(&self, key: &str) -> Option<&[(String, String)]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = String::from(HEAD);
        for (key, words) in &self.0 {
            let _ = write!(text, "\n[{key}]");
            let mut last = None;
            for (function, mnemonic) in words {
                if last == Some(function) {
                    let _ = write!(text, " {mnemonic}");
                } else {
                    let _ = write!(text, "\n{function}: {mnemonic}");
                }
                last = Some(function);
            }
            text.push('\n');
        }
        text
    }

    /// The path's disassembly, `+` before what was added since, and `-` before what was there.
    pub fn difference(&self, path: &Path, symbols: &Symbols) -> String {
        let Some(old) = self.0.get(&path.key) else {
            return format!("no path of {} was accepted; this is all of it:\n{}", path.key, lines(path, symbols, ' '));
        };
        let new = words(path, symbols);
        let listed: Vec<String> = path.steps.iter().map(|step| line(step, symbols)).collect();
        let mut out = String::new();
        for operation in capture_diff_slices(Algorithm::Myers, old, &new) {
            if let DiffOp::Equal { .. } = operation {
                listed[operation.new_range()].iter().for_each(|line| out.push_str(&format!("  {line}\n")));
                continue;
            }
            for (function, mnemonic) in &old[operation.old_range()] {
                let _ = writeln!(out, "- {function}: {mnemonic}");
            }
            listed[operation.new_range()].iter().for_each(|line| out.push_str(&format!("+ {line}\n")));
        }
        out
    }
}

fn words(path: &Path, symbols: &Symbols) -> Vec<Word> {
    let word = |step| {
        let decoded = instruction::decode(step);
        (symbols.function(step.registers.instruction_pointer).to_string(), instruction::mnemonic(&decoded))
    };
    path.steps.iter().map(word).collect()
}

fn line(step: &super::trace::Step, symbols: &Symbols) -> String {
    let address = step.registers.instruction_pointer;
    let source = symbols.source(address);
    let text = instruction::text(&instruction::decode(step));
    format!("{address:x}  {text:48} ; {} {}", source.function, source.line)
}

fn lines(path: &Path, symbols: &Symbols, mark: char) -> String {
    path.steps.iter().map(|step| format!("{mark} {}\n", line(step, symbols))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let word = |function: &str, mnemonic: &str| (function.to_string(), mnemonic.to_string());
        let words =
            vec![word("a::b", "push"), word("a::b", "mov"), word("<c as d: e>::f", "ret"), word("a::b", "iretq")];
        let golden = Golden(BTreeMap::from([("call".to_string(), words), ("nmi".to_string(), Vec::new())]));
        assert_eq!(Golden::parse(&golden.text()), golden);
    }
}
