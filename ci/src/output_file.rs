//! The file that a command was told to write its result to.
//!
//! A run that gives no result must not leave the result of an earlier one, and a result is written whole or not at all.
//! Both hold for ordinary files only. What else a name can stand for (`/dev/null`, `/dev/stdout`, a pipe, a link) belongs
//! to others: it is written to and neither removed nor replaced.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Whether a result can be written there, as far as it can be told beforehand.
///
/// # Errors
/// The file is a folder, or lies in one that is not there or cannot be written to.
pub fn check(file: &Path) -> Result<()> {
    if file.is_dir() {
        bail!("{}: that is a folder, give a file", file.display());
    }
    if !is_ordinary(file) {
        return Ok(());
    }
    let folder = folder_of(file);
    if !folder.is_dir() {
        bail!("{}: the folder {} is not there", file.display(), folder.display());
    }
    // Rights are best told by the attempt.
    tempfile::tempfile_in(folder)
        .with_context(|| format!("{}: cannot write into {}", file.display(), folder.display()))?;
    Ok(())
}

/// Removes the result of an earlier run.
///
/// # Errors
/// There is one and it stays.
pub fn remove_old(file: &Path) -> Result<()> {
    if !is_ordinary(file) {
        return Ok(());
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot replace {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// Writes the whole file or none.
///
/// # Errors
/// The file system's, with the file's name.
pub fn write(file: &Path, text: &str) -> Result<()> {
    let written = if is_ordinary(file) { replace(file, text) } else { fs::write(file, text) };
    written.with_context(|| format!("cannot write {}", file.display()))
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut temporary =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder_of(file))?;
    temporary.write_all(text.as_bytes())?;
    temporary.persist(file)?;
    Ok(())
}

/// An ordinary file or nothing yet.
fn is_ordinary(file: &Path) -> bool {
    fs::symlink_metadata(file).map_or(true, |metadata| metadata.is_file())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::thread;

    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn an_ordinary_file_goes_and_comes_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("result.json");
        check(&file).unwrap();
        remove_old(&file).unwrap();
        write(&file, "{}").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "{}");
        remove_old(&file).unwrap();
        assert!(!file.exists());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_pipe_is_written_to_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        check(&pipe).unwrap();
        remove_old(&pipe).unwrap();
        let reader = thread::spawn({
            let pipe = pipe.clone();
            move || {
                let mut text = String::new();
                fs::File::open(pipe).and_then(|mut file| file.read_to_string(&mut text)).map(|_| text)
            }
        });
        write(&pipe, "{}").unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), "{}");
        assert!(!is_ordinary(&pipe));
    }

    #[test]
    fn the_target_of_a_link_is_written_and_the_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        remove_old(&link).unwrap();
        write(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(link.is_symlink());
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = format!("{:#}", check(folder.path()).unwrap_err());
        assert!(error.ends_with("that is a folder, give a file"), "{error}");
        let error = format!("{:#}", check(&folder.path().join("none/file")).unwrap_err());
        assert!(error.ends_with("none is not there"), "{error}");
    }
}
