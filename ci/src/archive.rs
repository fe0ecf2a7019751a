//! The boot archive: a tar file (ustar) with the ring-3 programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tar::{Builder, EntryType, Header};

/// Folder in the archive for programs that the person at the keyboard adds.
pub const USER_FOLDER: &str = "user";

/// The name field of a ustar header holds this many bytes (POSIX pax, section "ustar Interchange Format").
const NAME_BYTES: usize = 100;

/// Makes the archive: `programs` by their file stems, `added` below [`USER_FOLDER`].
///
/// # Errors
/// A file that cannot be read; two programs of one name; a name that is too long or no UTF-8.
pub fn build(programs: &[PathBuf], added: &[PathBuf]) -> Result<Vec<u8>> {
    let mut entries = BTreeMap::new();
    for path in programs {
        insert(&mut entries, stem(path)?.to_string(), path)?;
    }
    for path in added {
        insert(&mut entries, format!("{USER_FOLDER}/{}", stem(path)?), path)?;
    }
    let mut builder = Builder::new(Vec::new());
    for (name, path) in entries {
        let bytes = fs::read(path).with_context(|| format!("cannot read the program {}", path.display()))?;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o555);
        header.set_size(bytes.len() as u64);
        // No times and owners: the same programs give the same archive.
        header.set_mtime(0);
        builder.append_data(&mut header, &name, bytes.as_slice())?;
    }
    Ok(builder.into_inner()?)
}

fn insert<'path>(entries: &mut BTreeMap<String, &'path Path>, name: String, path: &'path Path) -> Result<()> {
    if name.len() > NAME_BYTES {
        bail!("the name of {} is too long: {name} has {} bytes, {NAME_BYTES} fit", path.display(), name.len());
    }
    if let Some(other) = entries.insert(name.clone(), path) {
        bail!("{} and {} would both be {name} in the boot archive: rename one", other.display(), path.display());
    }
    Ok(())
}

fn stem(path: &Path) -> Result<&str> {
    let stem = path.file_stem().with_context(|| format!("{} has no file name", path.display()))?;
    stem.to_str().with_context(|| format!("the name of {} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn contents(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().to_str().unwrap().to_string(), bytes)
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn programs_and_added_ones_come_back_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let demo = file(folder.path(), "demo", b"one");
        let fault = file(folder.path(), "fault", &[7; 1000]);
        let mine = file(folder.path(), "mine.elf", b"three");
        let archive = build(&[fault, demo], &[mine]).unwrap();
        let expected = [("demo", vec![b'o', b'n', b'e']), ("fault", vec![7; 1000]), ("user/mine", b"three".to_vec())];
        assert_eq!(contents(&archive), expected.map(|(name, bytes)| (name.to_string(), bytes)));
        assert_eq!(&archive[257..263], b"ustar\0");
    }

    #[test]
    fn two_of_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (file(folder.path(), "a.elf", b""), file(folder.path(), "a.out", b""));
        let error = build(&[], &[first, second]).unwrap_err().to_string();
        assert!(error.contains("user/a") && error.contains("a.elf") && error.contains("a.out"), "{error}");
    }

    #[test]
    fn a_long_name_is_refused_and_a_missing_file_named() {
        let error = build(&[], &["x".repeat(120).into()]).unwrap_err().to_string();
        assert!(error.contains("too long"), "{error}");
        let error = build(&["/nowhere/demo".into()], &[]).unwrap_err().to_string();
        assert!(error.contains("/nowhere/demo"), "{error}");
    }
}
