//! What a change of the kernel has to touch, tried on a copy of its sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ci::workspace;

/// A copy of the sources, without hidden files and what was built.
struct Copy(PathBuf);

impl Copy {
    /// Always in the same folder, whose build goes on from the last one; one test at a time has it.
    fn new() -> Self {
        let folder = workspace::target().join("extending/source");
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("the last copy can be removed");
        }
        copy_folder(workspace::root(), &folder);
        Self(folder)
    }

    /// Puts lines behind the only line of a file that reads so.
    fn insert(&self, file: &str, line: &str, added: &str) {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let line = format!("\n{line}\n");
        assert_eq!(text.matches(&line).count(), 1, "{file} has not one line{line}");
        fs::write(path, text.replace(&line, &format!("{line}{added}\n"))).expect("the copy can be written to");
    }

    /// What the compiler says of the kernel's library; empty if it is content.
    fn check(&self) -> String {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["check", "--quiet", "--offline", "--package", "kernel", "--lib", "--target-dir"])
            .arg(workspace::target().join("extending/target"))
            .current_dir(&self.0)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("cargo can be started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), said.is_empty(), "{said}");
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

/// The last line of the list of calls, as it stands in the ABI, and one more.
fn with_one_more_call() -> Copy {
    let copy = Copy::new();
    let next = gatehouse_abi::SystemCall::ALL.len();
    let call = format!("    /// `()`: a call that nobody handles.\n    Forgotten = {next},");
    copy.insert("kernel/abi/src/system_call.rs", "    // The next call goes here, with the next number.", &call);
    copy
}

/// A program that made it would end the kernel.
#[test]
#[should_panic(expected = "a call without a handler compiles")]
fn a_call_without_a_handler_does_not_compile() {
    let said = with_one_more_call().check();
    assert!(said.contains("Forgotten") && said.contains("not covered"), "a call without a handler compiles: {said}");
}
