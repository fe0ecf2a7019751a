//! `/dev/null`, in whose place a program that runs as root can put an ordinary file.
//!
//! Then what one program throws away is what the next one reads. Cargo's `rustc -`, which tells it about a target, is
//! started on `/dev/null` and compiles what a build script discarded there.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::apt::privileged;
use super::host::PROBE_LIMIT;
use super::system::Privilege;
use crate::process::output_of;

pub(super) const PATH: &str = "/dev/null";

/// Whether `path` is not the ordinary file that it should not be.
pub(super) fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device())
}

/// Puts the device in the place of whatever is at `path`, in one step: others use it meanwhile.
///
/// # Errors
/// The kernel lets this user, or root in this container, make no device.
pub(super) fn restore(privilege: Privilege, path: &Path) -> Result<()> {
    let new = PathBuf::from(format!("{}.new", path.display()));
    let mut make = privileged(privilege, "mknod");
    output_of(make.args(["-m", "666"]).arg(&new).args(["c", "1", "3"]), PROBE_LIMIT)?;
    output_of(privileged(privilege, "mv").arg("-fT").arg(&new).arg(path), PROBE_LIMIT).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_file_gives_way_to_the_device() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("null");
        fs::write(&path, "error: what a compiler said\n").unwrap();
        assert!(!is_device(&path));
        let restored = restore(Privilege::Root, &path);
        if !nix::unistd::geteuid().is_root() {
            let error = restored.unwrap_err().to_string();
            assert!(error.contains("mknod"), "{error}");
            return;
        }
        match restored {
            Ok(()) => {
                assert!(is_device(&path));
                fs::write(&path, "lost").unwrap();
                assert_eq!(fs::read(&path).unwrap(), b"");
            }
            // Root in a container may be refused; the file is left as it was.
            Err(_) => assert!(path.is_file()),
        }
    }

    #[test]
    fn the_device_is_known() {
        assert!(is_device(Path::new("/dev/zero")));
        assert!(!is_device(Path::new("/nowhere")));
    }
}
