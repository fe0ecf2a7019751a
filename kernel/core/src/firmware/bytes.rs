//! Reading bytes that somebody else wrote.

/// Physical memory.
pub trait PhysicalMemory {
    /// Copies the bytes at an address; `false`, and the buffer is undefined, if not all of them can be read.
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool;
}

fn at<const LENGTH: usize>(bytes: &[u8], offset: usize) -> Option<[u8; LENGTH]> {
    bytes.get(offset..offset.checked_add(LENGTH)?)?.try_into().ok()
}

/// The byte at an offset, if there is one.
pub(super) fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

/// The 4 bytes at an offset, if all are there.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    at(bytes, offset).map(u32::from_le_bytes)
}

/// The 8 bytes at an offset, if all are there.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    at(bytes, offset).map(u64::from_le_bytes)
}

/// What the bytes add up to: 0, if they are as they were written.
pub(super) fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}
