//! Where things are. All of it is asked when the tool runs: a checkout that was copied or moved, its target folder with it,
//! has a tool that was built in another place, and cargo sees no reason to build it anew.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};

/// The top folder of the workspace: the one above the package that cargo runs, else above the current folder.
///
/// # Panics
/// When there is none, see [`find`].
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| find().unwrap_or_else(|error| panic!("{error:#}")))
}

/// Looks for the workspace: from the folder of the package that cargo runs (`CARGO_MANIFEST_DIR`, which cargo sets for
/// `run` and `test`), then from the current folder, upwards.
///
/// # Errors
/// Neither lies in a workspace of this project.
pub fn find() -> Result<PathBuf> {
    let current = env::current_dir().context("the current folder is gone")?;
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let found = package.as_deref().and_then(above).or_else(|| above(&current));
    found.map(Path::to_path_buf).with_context(|| {
        format!("{} lies in no workspace of Gatehouse: call the tool in its folder", current.display())
    })
}

/// The workspace's folder above this one: it has a manifest with members, and this tool among them.
fn above(folder: &Path) -> Option<&Path> {
    let is_workspace = |folder: &&Path| {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(|line| line.trim() == "[workspace]") && folder.join("ci/Cargo.toml").is_file()
    };
    folder.ancestors().find(is_workspace)
}

/// Cargo's target folder for the host: `CARGO_TARGET_DIR`, else `target` in the workspace.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) if !folder.is_empty() => env::current_dir().unwrap_or_else(|_| root().to_path_buf()).join(folder),
        _ => root().join("target"),
    }
}

/// The target folder of the kernel and the ring-3 programs. It is not the host's: the two builds differ in
/// compiler and flags, and would throw away each other's work.
pub fn kernel_target() -> PathBuf {
    target().join("kernel")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_workspace_is_above_its_packages_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("checkout");
        // A workspace of its own, below: not the one with the tool.
        let inner = top.join("tests/foreign");
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir_all(top.join("ci/src")).unwrap();
        fs::write(inner.join("Cargo.toml"), "[workspace]\n").unwrap();
        fs::write(top.join("Cargo.toml"), "[workspace]\nmembers = [\"ci\"]\n").unwrap();
        assert_eq!(above(&inner), None, "no tool in it");
        fs::write(top.join("ci/Cargo.toml"), "[package]\n").unwrap();
        assert_eq!(above(&inner), Some(top.as_path()));
        assert_eq!(above(&top.join("ci/src")), Some(top.as_path()));
        assert_eq!(above(folder.path()), None);
    }
}
