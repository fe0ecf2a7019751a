//! The boot archive, in memory for as long as the kernel runs.

use gatehouse_core::program::archive::{Archive, ArchiveError};
use spin::Once;

static ARCHIVE: Once<Archive<'static>> = Once::new();

/// Takes `bytes` as the boot archive. Counts once; later calls change nothing.
///
/// # Errors
/// [`ArchiveError`]; there is no archive then.
pub fn initialize(bytes: &'static [u8]) -> Result<(), ArchiveError> {
    let archive = Archive::parse(bytes)?;
    ARCHIVE.call_once(|| archive);
    Ok(())
}

/// Files in the archive; 0 when there is no archive.
#[must_use]
pub fn count() -> u64 {
    ARCHIVE.get().map_or(0, Archive::count)
}

/// The name of the file with this number, from 0.
#[must_use]
pub fn name(number: u64) -> Option<&'static str> {
    ARCHIVE.get()?.name(number)
}

/// The contents of the file of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static [u8]> {
    ARCHIVE.get()?.find(name)
}
