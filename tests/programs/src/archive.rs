//! The names of the files in the boot archive.

use gatehouse_runtime::Kernel;

/// Longest file name that is read, in bytes: that of a tar header with its prefix.
const LONGEST_NAME: usize = 256;

/// A file name of the boot archive.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveName {
    bytes: [u8; LONGEST_NAME],
    length: usize,
}

impl ArchiveName {
    /// The name as the archive has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

/// Every name, in the order of the archive. Each step is one system call, one more than there are files.
pub fn archive_names() -> impl Iterator<Item = ArchiveName> {
    (0..).map_while(|index| {
        let mut name = ArchiveName { bytes: [0; LONGEST_NAME], length: 0 };
        name.length = Kernel::program_name(index, &mut name.bytes).ok()?.len();
        Some(name)
    })
}
