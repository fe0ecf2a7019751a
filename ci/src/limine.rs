//! Where the boot loader Limine comes from: a folder that the person names, else the pinned release.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::process::output_of;
use crate::workspace;

/// Names a folder with the files of a Limine 8 release.
pub const FOLDER_VARIABLE: &str = "LIMINE_DIR";

/// The release whose files are pinned below. Limine 8 is what the kernel's side is tested with; 9 renamed the keys
/// of the configuration file.
const RELEASE: &str = "v8.2.0-binary";

/// The project's own repository.
const REPOSITORY: &str = "https://raw.githubusercontent.com/limine-bootloader/limine";

/// One file is fetched within this time or not at all.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

/// The files that an ISO image takes, with the SHA-256 of each in [`RELEASE`].
pub const FILES: [(&str, &str); 4] = [
    ("limine-bios.sys", "8382e36ff9d51e52e9160842f834a346028edf9e0319b1c728d290e3044a44a7"),
    ("limine-bios-cd.bin", "3b889bf946b1f248c93efa90fd1718aad79f867e8184f9167a0b9875a0c41191"),
    ("limine-uefi-cd.bin", "1801a9034420fb1b17bdcdedee11f29c946169abac103b161e7bfd01d98caf29"),
    ("BOOTX64.EFI", "7bf99f9ffdbce1443bd7f148f01bee47d4a587f58fb170e42dab29790e6d831a"),
];

/// The folder with Limine's files; those of the pinned release are fetched when they are needed first.
///
/// # Errors
/// The folder named lacks a file; the release cannot be fetched; a fetched file is not the pinned one.
pub fn folder() -> Result<PathBuf> {
    if let Some(named) = env::var_os(FOLDER_VARIABLE).filter(|name| !name.is_empty()) {
        let folder = PathBuf::from(named);
        check_named(&folder)?;
        return Ok(folder);
    }
    let folder = workspace::target().join("limine").join(RELEASE);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, digest) in FILES {
        fetch(&folder, name, digest)?;
    }
    Ok(folder)
}

fn check_named(folder: &Path) -> Result<()> {
    let missing: Vec<_> = FILES.iter().map(|(name, _)| *name).filter(|name| !folder.join(name).is_file()).collect();
    if !missing.is_empty() {
        bail!("{FOLDER_VARIABLE} is {}, which lacks {}", folder.display(), missing.join(", "));
    }
    Ok(())
}

fn fetch(folder: &Path, name: &str, digest: &str) -> Result<()> {
    let path = folder.join(name);
    if path.is_file() && check_digest(&path, digest).is_ok() {
        return Ok(());
    }
    let address = format!("{REPOSITORY}/{RELEASE}/{name}");
    eprintln!("fetching {address}");
    let unchecked = folder.join(format!("{name}.unchecked"));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--location", "--connect-timeout", "20", "--output"]);
    curl.arg(&unchecked).arg(&address);
    output_of(&mut curl, FETCH_LIMIT).with_context(|| {
        format!(
            "the boot loader Limine cannot be fetched; set {FOLDER_VARIABLE} to a folder with the files {} of a \
             Limine 8 release, or boot by PVH, which needs no boot loader",
            FILES.map(|(name, _)| name).join(", ")
        )
    })?;
    check_digest(&unchecked, digest)?;
    fs::rename(&unchecked, &path).with_context(|| format!("cannot write {}", path.display()))
}

fn check_digest(path: &Path, expected: &str) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if digest != expected {
        bail!("{} is not the pinned file: its SHA-256 is {digest}, not {expected}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_lacks_files_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("limine-bios.sys"), "").unwrap();
        let text = check_named(folder.path()).unwrap_err().to_string();
        assert!(text.ends_with("which lacks limine-bios-cd.bin, limine-uefi-cd.bin, BOOTX64.EFI"), "{text}");
    }

    #[test]
    fn a_wrong_file_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "abc").unwrap();
        // FIPS 180-4's example "abc".
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        check_digest(&path, digest).unwrap();
        fs::write(&path, "abd").unwrap();
        assert!(check_digest(&path, digest).unwrap_err().to_string().contains("not the pinned file"));
    }
}
