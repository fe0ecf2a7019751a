//! What a change of the kernel has to touch, tried on a copy of its sources: what `docs/extending.md` tells people to do compiles,
//! and what they may forget does not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ci::workspace;
use gatehouse_abi::SystemCall;
use integration_tests::text;

/// Held while there is a [`Copy`].
static COPY: Mutex<()> = Mutex::new(());

/// A copy of the sources, without hidden files and what was built.
struct Copy {
    folder: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Copy {
    /// Always in the same folder, whose build goes on from the last one; one test at a time has it.
    fn new() -> Self {
        let alone = COPY.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = workspace::target().join("extending/source");
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("the last copy can be removed");
        }
        copy_folder(workspace::root(), &folder);
        Self { folder, _alone: alone }
    }

    /// Adds the lines of a step where it says.
    fn apply(&self, step: &Step) {
        let path = self.folder.join(&step.file);
        let (before, after) = step.texts();
        if before.trim().is_empty() {
            assert!(!path.exists(), "{} is no new file", step.file);
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
            fs::write(path, after).expect("the copy can be written to");
            return;
        }
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", step.file));
        assert_eq!(text.matches(&before).count(), 1, "{} has not one place that reads\n{before}", step.file);
        fs::write(path, text.replace(&before, &after)).expect("the copy can be written to");
    }

    /// What the compiler says of the kernel's library and the runtime; empty if it is content.
    fn check(&self) -> String {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["check", "--quiet", "--offline", "--package", "kernel", "--package", "gatehouse-runtime", "--lib"])
            .arg("--target-dir")
            .arg(workspace::target().join("extending/target"))
            .current_dir(&self.folder)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("cargo can be started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || !said.is_empty(), "{output:?}");
        said
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().expect("an entry has a name");
        if name.to_string_lossy().starts_with('.') || path == workspace::target() || name == "target" {
            continue;
        }
        if path.is_dir() {
            copy_folder(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).expect("a file can be copied");
        }
    }
}

/// A step of the page: a file, and its lines, of which those that are added begin with a plus.
struct Step {
    file: String,
    lines: Vec<String>,
}

impl Step {
    /// What stands in the file before, and after.
    fn texts(&self) -> (String, String) {
        let (mut before, mut after) = (String::new(), String::new());
        for line in &self.lines {
            let next = SystemCall::ALL.len();
            let line = line.replace("NUMBER_AFTER", &(next + 1).to_string()).replace("NUMBER", &next.to_string());
            let (added, kept) = (line.strip_prefix('+'), line.strip_prefix(' ').unwrap_or(&line));
            let kept = added.is_none().then_some(kept);
            before.extend(kept.iter().flat_map(|kept| [*kept, "\n"]));
            after.extend(added.or(kept).iter().flat_map(|line| [*line, "\n"]));
        }
        (before, after)
    }
}

/// The steps below a heading of the page.
fn steps(heading: &str) -> Vec<Step> {
    let page = text("docs/extending.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).expect("the page has the heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```diff\n+++ ").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let steps: Vec<Step> = blocks
        .map(|block| {
            let mut lines = block.lines().map(str::to_string);
            Step { file: lines.next().expect("a block names its file"), lines: lines.collect() }
        })
        .collect();
    assert!(steps.len() > 3, "{heading}: {} steps", steps.len());
    steps
}

fn files(steps: &[Step]) -> BTreeSet<&str> {
    steps.iter().map(|step| step.file.as_str()).collect()
}

/// A program that made it would end the kernel.
#[test]
fn a_call_without_a_handler_does_not_compile() {
    let steps = steps("A system call");
    let copy = Copy::new();
    copy.apply(&steps[0]);
    let said = copy.check();
    assert!(said.contains("CountThreads` not covered"), "a call without a handler compiles: {said}");
}

#[test]
fn the_call_of_the_page_compiles_and_takes_five_files() {
    let steps = steps("A system call");
    let copy = Copy::new();
    steps.iter().for_each(|step| copy.apply(step));
    assert_eq!(copy.check(), "");
    assert_eq!(files(&steps).len(), 5, "{:?}", files(&steps));
}

/// A new object changes nothing of what holds objects, and nothing of another one.
#[test]
fn the_object_of_the_page_compiles_and_touches_no_other() {
    let steps = steps("A kernel object");
    let copy = Copy::new();
    steps.iter().for_each(|step| copy.apply(step));
    assert_eq!(copy.check(), "");
    let own = ["kernel/src/ipc/counter.rs", "kernel/src/ipc/mod.rs"];
    let allowed = ["kernel/abi/", "kernel/src/system_call/", "docs/"];
    for file in files(&steps) {
        assert!(own.contains(&file) || allowed.iter().any(|folder| file.starts_with(folder)), "{file}");
    }
}
