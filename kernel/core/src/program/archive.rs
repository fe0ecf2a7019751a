//! The boot archive: a tar file of programs.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use tar_no_std::{CorruptDataError, TarArchiveRef};

/// Why an archive is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    /// It is no tar file, or a damaged one.
    Damaged(CorruptDataError),
    /// The name of the file with this number, from 0, is not UTF-8.
    NameNotText(usize),
    /// Two files have this name.
    NameTwice(String),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(error) => write!(formatter, "the boot archive is damaged: {error}"),
            Self::NameNotText(number) => {
                write!(formatter, "the boot archive's file number {number} has a name that is not UTF-8")
            }
            Self::NameTwice(name) => write!(formatter, "the boot archive has two files named `{name}`"),
        }
    }
}

impl core::error::Error for ArchiveError {}

/// Names and contents of an archive's regular files, in their order. Directories and other entries are left out.
#[derive(Debug)]
pub struct Archive<'bytes> {
    files: Vec<(String, &'bytes [u8])>,
}

impl<'bytes> Archive<'bytes> {
    /// Reads an archive. Any bytes are allowed. Names are copied to the heap, which cannot be refused: before any program runs.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn parse(bytes: &'bytes [u8]) -> Result<Self, ArchiveError> {
        let archive = TarArchiveRef::new(bytes).map_err(ArchiveError::Damaged)?;
        let mut files: Vec<(String, &'bytes [u8])> = Vec::new();
        for (number, entry) in archive.entries().enumerate() {
            let name = entry.filename();
            let name = name.as_str().map_err(|_| ArchiveError::NameNotText(number))?;
            if files.iter().any(|(other, _)| other == name) {
                return Err(ArchiveError::NameTwice(name.into()));
            }
            #[expect(clippy::disallowed_methods, reason = "before any program runs")]
            files.push((name.into(), entry.data()));
        }
        Ok(Self { files })
    }

    /// Files in it.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.files.len() as u64
    }

    /// The name of the file with this number, from 0.
    #[must_use]
    pub fn name(&self, number: u64) -> Option<&str> {
        let number = usize::try_from(number).ok()?;
        self.files.get(number).map(|(name, _)| name.as_str())
    }

    /// The contents of the file of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'bytes [u8]> {
        self.files.iter().find(|(other, _)| other == name).map(|(_, bytes)| *bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::{Archive, ArchiveError, CorruptDataError};

    /// A ustar archive.
    fn tar(files: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, contents) in files {
            let mut header = [0_u8; 512];
            header[..name.len()].copy_from_slice(name);
            header[100..108].copy_from_slice(b"0000644\0");
            header[124..136].copy_from_slice(std::format!("{:011o}\0", contents.len()).as_bytes());
            header[136..148].copy_from_slice(b"00000000000\0");
            header[148..156].fill(b' ');
            header[156] = b'0';
            header[257..265].copy_from_slice(b"ustar\x0000");
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(std::format!("{sum:06o}\0 ").as_bytes());
            bytes.extend(header);
            bytes.extend(*contents);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    fn refused(bytes: &[u8]) -> ArchiveError {
        Archive::parse(bytes).unwrap_err()
    }

    #[test]
    fn files_are_found() {
        let bytes = tar(&[(b"demo", b"one"), (b"user/other", &[7; 1000]), (b"empty", b"")]);
        let archive = Archive::parse(&bytes).unwrap();
        assert_eq!(archive.count(), 3);
        let names = (0..4).map(|number| archive.name(number));
        assert!(names.eq([Some("demo"), Some("user/other"), Some("empty"), None]));
        assert_eq!((archive.name(u64::MAX), archive.find("dem")), (None, None));
        let found = ["demo", "user/other", "empty"].map(|name| archive.find(name));
        assert_eq!(found, [Some(&b"one"[..]), Some(&[7; 1000]), Some(b"")]);
        assert_eq!(Archive::parse(&vec![0; 1536]).unwrap().count(), 0);
    }

    #[test]
    fn each_fault_is_named() {
        assert_eq!(refused(&[]), ArchiveError::Damaged(CorruptDataError::EmptyArchive));
        assert_eq!(refused(&[1; 700]), ArchiveError::Damaged(CorruptDataError::InvalidBlockSize));
        let mut cut = tar(&[(b"demo", &[7; 1000])]);
        cut.truncate(1024);
        assert!(matches!(refused(&cut), ArchiveError::Damaged(_)));
        assert_eq!(refused(&tar(&[(b"demo", b""), (b"\xff", b"")])), ArchiveError::NameNotText(1));
        assert_eq!(refused(&tar(&[(b"a", b""), (b"a", b"")])), ArchiveError::NameTwice("a".into()));
    }

    proptest! {
        #[test]
        fn damaged_archives_never_panic(
            changes in prop::collection::vec((0_usize..4096, any::<u8>()), 0..20),
            length in 0_usize..4096,
        ) {
            let mut bytes = tar(&[(b"demo", b"one"), (b"user/other", &[7; 1000])]);
            for (place, value) in changes {
                let place = place % bytes.len();
                bytes[place] = value;
            }
            let _ = Archive::parse(&bytes);
            bytes.truncate(length);
            let _ = Archive::parse(&bytes);
        }
    }
}
