//! Cache lines that more than one CPU writes when each handles faults of its own threads: there must be none.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::instruction::LINE_BYTES;
use super::path::Path;
use super::symbols::Symbols;

/// The key of the traces: a fault, its handler and the reply, all on one CPU; on each of several CPUs.
const KEY: &str = "local_fault";
/// Addresses from here on are the kernel's.
const KERNEL_HALF: u64 = 1 << 63;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// CPUs that were looked at.
    pub cpus: u64,
    /// Lines of the kernel that any of them wrote.
    pub lines_written: u64,
    /// Those that more than one did, each with the symbol that it lies in or its address.
    pub written_by_several: Vec<String>,
}

/// Looks at all traces of [`KEY`].
pub fn sharing(paths: &[Path], symbols: &Symbols) -> Sharing {
    let mut writers: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
    let mut cpus = BTreeSet::new();
    for path in paths.iter().filter(|path| path.key == KEY) {
        for cpu in path.steps.iter().map(|step| step.cpu).collect::<BTreeSet<_>>() {
            cpus.insert(cpu);
            for line in path.lines(Some(cpu)).written.into_iter().filter(|line| line * LINE_BYTES >= KERNEL_HALF) {
                writers.entry(line).or_default().insert(cpu);
            }
        }
    }
    let several = writers.iter().filter(|(_, cpus)| cpus.len() > 1);
    Sharing {
        cpus: cpus.len() as u64,
        lines_written: writers.len() as u64,
        written_by_several: several
            .map(|(line, _)| {
                let address = line * LINE_BYTES;
                format!("{address:#x} ({})", symbols.data(address).unwrap_or("no symbol: direct map or heap"))
            })
            .collect(),
    }
}
