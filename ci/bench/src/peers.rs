//! What operations are to cost, and what they cost in other kernels: a checked-in file with sources.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::catalogue;
use ci::workspace;

/// Goals and other kernels' figures.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// What each short name of a kernel stands for.
    pub sources: BTreeMap<String, String>,
    /// By operation.
    pub operations: BTreeMap<String, Comparison>,
}

/// What one operation is compared with, in guest instructions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The goal.
    pub target: Option<u64>,
    /// Other kernels, by short name.
    #[serde(default)]
    pub peers: BTreeMap<String, u64>,
}

impl Peers {
    /// Reads the file of the workspace.
    ///
    /// # Errors
    /// It cannot be read, or names an operation or a kernel that there is not.
    pub fn read() -> Result<Self> {
        let file = workspace::root().join("ci/bench/peers.toml");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| file.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let peers: Self = toml::from_str(text)?;
        for (key, comparison) in &peers.operations {
            if catalogue::find(key).is_none() {
                bail!("{key} is no operation");
            }
            if let Some(name) = comparison.peers.keys().find(|name| !peers.sources.contains_key(*name)) {
                bail!("{key}: {name} is no source");
            }
        }
        Ok(peers)
    }

    /// What the operation is compared with.
    pub fn of(&self, key: &str) -> Comparison {
        self.operations.get(key).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_peers_are_right() {
        let peers = Peers::read().unwrap();
        assert_eq!(peers.of("syscall_null").target, Some(60));
        assert_eq!(peers.of("no such").target, None);
    }

    #[test]
    fn unknown_names_are_told() {
        let wrong = |text| Peers::parse(text).unwrap_err().to_string();
        assert!(wrong("[sources]\n[operations]\nx = {}\n").contains("x is no operation"));
        assert!(wrong("[sources]\n[operations]\ncall = { peers = { y = 1 } }\n").contains("y is no source"));
    }
}
