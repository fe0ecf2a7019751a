//! Modules that calculate with numbers of programs, devices or firmware have every operation that could overflow refused by clippy.

use std::path::Path;

use super::finding::Finding;
use super::tokens::Source;

/// The files at whose head the lint is turned on, for themselves and the modules below.
const FOREIGN_NUMBERS: [&str; 27] = [
    "kernel/core/src/command_line.rs",
    "kernel/core/src/firmware/mod.rs",
    "kernel/core/src/interrupt_rate.rs",
    "kernel/core/src/intrusive/mod.rs",
    "kernel/core/src/memory/memory_map.rs",
    "kernel/core/src/memory/physical_range.rs",
    "kernel/core/src/memory/user_range.rs",
    "kernel/core/src/program/mod.rs",
    "kernel/core/src/time/deadline_tree.rs",
    "kernel/core/src/time/lanes.rs",
    "kernel/core/src/time/setting.rs",
    "kernel/src/arch/x86_64/clock.rs",
    "kernel/src/arch/x86_64/own_ports.rs",
    "kernel/src/boot/mod.rs",
    "kernel/src/clock.rs",
    "kernel/src/hardware_timer.rs",
    "kernel/src/ipc/mod.rs",
    "kernel/src/ipi/mod.rs",
    "kernel/src/irq/mod.rs",
    "kernel/src/memory/address_space.rs",
    "kernel/src/memory/boot_info.rs",
    "kernel/src/pci/mod.rs",
    "kernel/src/power/tables.rs",
    "kernel/src/swap/disk/mod.rs",
    "kernel/src/system_call/mod.rs",
    "kernel/src/time/mod.rs",
    "kernel/src/user_copy.rs",
];

/// Not in tests, which fail where they overflow.
const LINT: &str = "#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]";

pub(super) fn check(source: &Source<'_>, findings: &mut Vec<Finding>) {
    let is_listed = FOREIGN_NUMBERS.iter().any(|file| source.path == Path::new(file));
    if is_listed && !source.lines.contains(&LINT) {
        findings.push(source.finding(1, format!("foreign numbers, but no `{LINT}`")));
    }
}

/// The files of the list that are not there, in a tree with a kernel.
pub(super) fn check_list(root: &Path, findings: &mut Vec<Finding>) {
    if root.join("kernel/src").is_dir() {
        let missing = FOREIGN_NUMBERS.iter().map(Path::new).filter(|file| !root.join(file).is_file());
        findings.extend(missing.map(|file| Finding::new(file, 1, "it is gone: where are its foreign numbers now?")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        let mut findings = Vec::new();
        check(&Source::new(Path::new(path), text).unwrap(), &mut findings);
        findings.len()
    }

    #[test]
    fn a_listed_file_has_the_lint() {
        for file in FOREIGN_NUMBERS {
            assert_eq!(findings(file, "//! A.\n\nmod a;\n"), 1);
            assert_eq!(findings(file, &format!("//! A.\n\n{LINT}\n\nmod a;\n")), 0);
        }
        assert_eq!(findings("kernel/src/other.rs", ""), 0);
    }

    #[test]
    fn a_listed_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut findings = Vec::new();
        check_list(folder.path(), &mut findings);
        assert_eq!(findings.len(), 0, "no kernel at all");
        std::fs::create_dir_all(folder.path().join("kernel/src/pci")).unwrap();
        std::fs::write(folder.path().join("kernel/src/pci/mod.rs"), LINT).unwrap();
        check_list(folder.path(), &mut findings);
        assert_eq!(findings.len(), FOREIGN_NUMBERS.len() - 1);
    }
}
