//! The tool works where it is called, not where it was built.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A checkout as small as one can be, and a `cargo` that writes down where it is called and fails.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("copy/ci/src")).unwrap();
        fs::write(folder.path().join("copy/Cargo.toml"), "[workspace]\nmembers = [\"ci\"]\n").unwrap();
        fs::write(folder.path().join("copy/ci/Cargo.toml"), "[package]\nname = \"ci\"\n").unwrap();
        let cargo = folder.path().join("cargo");
        fs::write(&cargo, format!("#!/bin/sh\npwd -P >> {}/calls\nexit 1\n", folder.path().display())).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn top(&self) -> PathBuf {
        fs::canonicalize(self.folder.path().join("copy")).unwrap()
    }

    /// Runs the tool's checks, which call cargo, and answers where they did.
    fn called_in(&self, package: Option<&Path>, current: &Path) -> Vec<PathBuf> {
        let calls = self.folder.path().join("calls");
        let _ = fs::remove_file(&calls);
        let mut tool = Command::new(tool());
        tool.arg("check").current_dir(current).env("CARGO", self.folder.path().join("cargo"));
        tool.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_TARGET_DIR");
        if let Some(package) = package {
            tool.env("CARGO_MANIFEST_DIR", package);
        }
        let output = tool.output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        fs::read_to_string(calls).unwrap_or_default().lines().map(PathBuf::from).collect()
    }
}

/// The tool lies above the folder of the test, wherever that was copied to.
fn tool() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("xtask")
}

#[test]
fn a_copied_checkout_is_what_is_built() {
    let copy = Copy::new();
    let top = copy.top();
    // As `cargo xtask` does it, from wherever.
    let calls = copy.called_in(Some(&top.join("ci")), Path::new("/"));
    assert!(calls.len() >= 2 && calls.iter().all(|place| *place == top), "{calls:?}");
    // The tool by itself, somewhere in the checkout.
    let calls = copy.called_in(None, &top.join("ci/src"));
    assert!(calls.len() >= 2 && calls.iter().all(|place| *place == top), "{calls:?}");
    assert_eq!(copy.called_in(None, Path::new("/")), [] as [PathBuf; 0], "no checkout, nothing done");
}
