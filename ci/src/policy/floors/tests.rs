use std::collections::BTreeMap;
use std::path::PathBuf;

use super::check;

const PLAN: &str = "[[floor]]\nabout = 'top'\nmodules = ['start', 'entry']\n\
                    [[floor]]\nabout = 'middle'\nmodules = ['ipc', 'sched']\n\
                    [[floor]]\nabout = 'leaf'\nmodules = ['arch']\n";

/// The findings for these files, all modules of the plan being there, and the line.
fn found_with(plan: &str, files: &[(&str, &str)]) -> (Vec<String>, String) {
    let mut all: BTreeMap<PathBuf, String> = ["start/mod", "entry/mod", "ipc/mod", "sched/mod", "arch/mod", "lib"]
        .map(|name| (PathBuf::from(format!("kernel/src/{name}.rs")), "//! It.\n".to_string()))
        .into();
    all.insert("kernel/src/arch/x86_64/vectors.rs".into(), "pub const TIMER: u8 = 1;\n".to_string());
    all.extend(files.iter().map(|(name, text)| (PathBuf::from(format!("kernel/src/{name}")), (*text).to_string())));
    let (findings, line) = check(plan, &all);
    (findings.iter().map(ToString::to_string).collect(), line)
}

fn found(files: &[(&str, &str)]) -> Vec<String> {
    found_with(PLAN, files).0
}

/// Asserts that a file of `ipc` has one breach, on this line, that is told so.
fn assert_found(text: &str, line: usize, message: &str) {
    let found = found(&[("ipc/a.rs", text)]);
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    let start = format!("kernel/src/ipc/a.rs:{line}: {message}");
    assert!(found[0].starts_with(&start), "{text}: {found:?}");
}

#[test]
fn what_goes_down_is_allowed() {
    let text =
        "use crate::arch::{Frame, TrapFrame as _};\nfn f() { crate::arch::stop(); core::arch::x86_64::_rdtsc(); }\n";
    assert_eq!(found(&[("ipc/a.rs", text), ("start/b.rs", "use crate::{arch, ipc};\n")]), Vec::<String>::new());
}

#[test]
fn an_import_that_goes_up_is_found_however_it_is_written() {
    let up = "`ipc` imports `start`, which is not below it";
    for text in [
        "use crate::start;",
        "use crate::start::facts;",
        "use crate::{arch::Frame, start::{self, facts}};",
        "pub use crate::start::Facts;",
        "pub(crate) use crate::start::Facts as Known;",
        "use super::super::start::facts;",
        "mod inner { use super::super::super::start::facts; }",
        "fn f() { crate::start::facts(); }",
        "fn f() { g(super::super::start::facts()) }",
        "macro_rules! m { () => { $crate::start::facts() } }",
        "fn f(x: &crate::start::Facts) {}",
        "#[cfg(test)]\nuse crate::start;",
    ] {
        assert_found(text, text.lines().count(), up);
    }
    // A name at the root leads where it comes from.
    let root = ("lib.rs", "pub use start::kernel_main;\npub mod start;\n");
    let breaches = found(&[root, ("ipc/a.rs", "fn f() { crate::kernel_main() }\n")]);
    assert!(breaches.len() == 1 && breaches[0].contains(up), "{breaches:?}");
}

#[test]
fn what_stays_inside_or_is_no_code_is_not() {
    for text in [
        "use super::b;",
        "mod inner { use super::super::start; }",
        "// use crate::start;\n//! See [`crate::start`].",
        "#[cfg(test)]\nmod tests { use crate::start; }",
        "const A: &str = \"crate::start\";",
        "pub(crate) fn f() {}\npub(in crate::ipc) fn g() {}",
    ] {
        let text = text.replace("//!", "///") + "\nfn last() {}\n";
        assert_eq!(found(&[("ipc/a.rs", &text)]), Vec::<String>::new(), "{text}");
    }
    assert_eq!(
        found(&[("ipc/tests.rs", "use crate::start;"), ("ipc/a/tests/b.rs", "use crate::start;")]),
        Vec::<String>::new()
    );
}

#[test]
fn modules_of_one_floor_need_a_pair() {
    let files = [("ipc/a.rs", "use crate::sched::Next;\n")];
    assert_found(files[0].1, 1, "`ipc` imports `sched`, which is not below it");
    let pair = "[[pair]]\nfrom = 'ipc'\nto = 'sched'\nreason = 'a message ends a wait'\n";
    assert_eq!(found_with(&format!("{PLAN}{pair}"), &files).0, Vec::<String>::new());
    let unused = found_with(&format!("{PLAN}{pair}"), &[]).0;
    assert!(unused.len() == 1 && unused[0].contains("the pair `ipc -> sched` is no longer used"), "{unused:?}");
    let back = "[[pair]]\nfrom = 'sched'\nto = 'ipc'\nreason = 'r'\n";
    let both = found_with(&format!("{PLAN}{pair}{back}"), &[files[0], ("sched/a.rs", "use crate::ipc;\n")]).0;
    assert!(both.iter().any(|finding| finding.contains("a pair both ways")), "{both:?}");
    let far = "[[pair]]\nfrom = 'ipc'\nto = 'start'\nreason = 'r'\n";
    assert!(found_with(&format!("{PLAN}{far}"), &[]).0.iter().any(|finding| finding.contains("no pair of one floor")));
}

#[test]
fn exceptions_can_only_shrink() {
    let exception =
        |files| format!("{PLAN}[[exception]]\nfrom = 'ipc'\nto = 'start'\nfiles = {files}\nreason = 'r'\ncost = 'c'\n");
    let one = [("ipc/a.rs", "use crate::start;\n")];
    let two = [one[0], ("ipc/b.rs", "use crate::start;\n")];
    assert_eq!(found_with(&exception(1), &one).0, Vec::<String>::new());
    let more = found_with(&exception(1), &two).0;
    assert_eq!(more.len(), 2, "{more:?}");
    let fewer = found_with(&exception(2), &one).0;
    assert!(fewer.len() == 1 && fewer[0].contains("is made by 1 files"), "{fewer:?}");
    let unused = found_with(&exception(1), &[]).0;
    assert!(unused.len() == 1 && unused[0].contains("no longer used"), "{unused:?}");
}

#[test]
fn every_module_has_a_floor_and_every_floor_has_its_modules() {
    let strange = found(&[("attic.rs", "\n")]);
    assert_eq!(strange, ["kernel/floors.toml:1: `attic` is on no floor"]);
    let missing = found_with(&PLAN.replace("'arch'", "'arch', 'cellar'"), &[]).0;
    assert_eq!(missing, ["kernel/floors.toml:1: there is no module `cellar`"]);
}

#[test]
fn a_plan_has_reasons_and_names_a_module_once() {
    let first = |plan: &str| found_with(plan, &[]).0.remove(0);
    assert!(first(&PLAN.replace("'sched'", "'start'")).contains("`start` is on two floors"));
    assert!(first(&PLAN.replace("'leaf'", "' '")).contains("is empty"));
    assert!(first(&format!("{PLAN}[[exception]]\nfrom = 'ipc'\nto = 'start'\n")).contains("no plan"));
}

#[test]
fn vectors_and_the_processor_are_named_by_arch_and_entry_alone() {
    for text in [
        "use crate::arch::vectors;",
        "use crate::arch::{Frame, vectors::TIMER};",
        "use crate::arch::x86_64::Frame;",
        "use crate::arch::TIMER;",
        "use crate::arch::*;",
        "use crate::arch;\nfn f() -> u8 { arch::vectors::TIMER }",
    ] {
        let line = text.lines().count();
        let start = format!("kernel/src/ipc/a.rs:{line}: `arch::");
        let breaches = found(&[("ipc/a.rs", text)]);
        assert!(breaches.len() == 1 && breaches[0].starts_with(&start), "{text}: {breaches:?}");
        assert_eq!(found(&[("entry/a.rs", text)]), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn registers_are_named_by_who_is_near_them() {
    for text in ["use x86_64::registers::control::Cr3;", "fn f() { x86_64::registers::control::Cr3::read(); }"] {
        assert_found(text, 1, "`x86_64::registers::control::Cr3");
        assert_eq!(found(&[("arch/a.rs", text)]), Vec::<String>::new(), "{text}");
    }
    assert_eq!(found(&[("ipc/a.rs", "use x86_64::{PhysAddr, VirtAddr};")]), Vec::<String>::new());
}

#[test]
fn what_the_root_does_not_have_is_told() {
    assert_found("use crate::nothing::X;", 1, "`crate::nothing` names no module");
}

#[test]
fn the_line_counts() {
    let files = [
        ("ipc/a.rs", "use crate::{sched, start};\n"),
        ("sched/a.rs", "use crate::ipc::X;\n"),
        ("start/a.rs", "use crate::ipc;\nuse crate::ipc::Y;\n"),
    ];
    let (_, line) = found_with(PLAN, &files);
    assert_eq!(line, "5 modules, 10 lines, 4 arrows, 3 up in 2 files, biggest circle 3, 2 mutual pairs");
}
