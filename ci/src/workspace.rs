//! Where things are.

use std::env;
use std::path::{Path, PathBuf};

/// The top folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a folder of the workspace")
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
