//! A page as the RAM store keeps it: compressed by LZ4, with a checksum over what is kept.
//!
//! `lz4_flex` without its `alloc` feature works on a table of 8 KiB on the stack, so nothing is allocated where memory is
//! short; its safe decoder checks every length, so that no bytes make it write outside of the page. The checksum is XXH64:
//! the fastest one in emulation and on hardware that needs neither vector registers nor tables.

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};
use xxhash_rust::xxh64::xxh64;

use crate::memory::layout::PAGE_SIZE;

/// A page's bytes.
pub type Page = [u8; PAGE_SIZE as usize];

/// A page that compresses to more is not worth storing: three quarters of it.
pub const LONGEST: usize = PAGE_SIZE as usize * 3 / 4;

/// The longest that a page may get on the way.
const ROOM: usize = get_maximum_output_size(PAGE_SIZE as usize);

/// A compressed page.
#[derive(Debug)]
pub struct Compressed {
    bytes: [u8; ROOM],
    length: usize,
}

impl Compressed {
    /// Compresses a page; `None` if it does not become at most [`LONGEST`].
    #[must_use]
    pub fn new(page: &Page) -> Option<Self> {
        let mut bytes = [0; ROOM];
        let length = compress_into_with_table(page, &mut bytes, &mut CompressTable::small()).ok()?;
        (length <= LONGEST).then_some(Self { bytes, length })
    }

    /// Room for a compressed page of this length, to be read in.
    ///
    /// # Panics
    /// When it is longer than [`LONGEST`].
    #[must_use]
    pub fn empty(length: usize) -> Self {
        assert!(length <= LONGEST);
        Self { bytes: [0; ROOM], length }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The bytes, to change.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// Fills the page; `false` if the bytes are no compressed page, and the page holds anything then.
    #[must_use]
    pub fn decompress(&self, page: &mut Page) -> bool {
        decompress_into(self.bytes(), page).is_ok_and(|length| length == page.len())
    }
}

/// The checksum of what a slot keeps. The slot's number goes in, so that bytes that belong to another slot are noticed.
#[must_use]
pub fn checksum(slot: u32, bytes: &[u8]) -> u64 {
    xxh64(bytes, u64::from(slot))
}

/// Whether the page holds nothing but zeros.
#[must_use]
pub fn is_zero(page: &Page) -> bool {
    page.chunks_exact(64).all(|chunk| chunk.iter().fold(0, |seen, byte| seen | byte) == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Compressed, LONGEST, Page, checksum, is_zero};

    fn page(words: impl Fn(u64) -> u64) -> Page {
        let mut page = [0; 4096];
        for (index, chunk) in page.chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&words(index as u64).to_le_bytes());
        }
        page
    }

    fn noise(index: u64) -> u64 {
        (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    #[test]
    fn what_does_not_shrink_is_refused() {
        assert!(Compressed::new(&page(noise)).is_none());
        let quarter = Compressed::new(&page(|index| if index < 128 { noise(index) } else { 7 })).unwrap();
        assert!(quarter.bytes().len() < 1200, "{}", quarter.bytes().len());
        assert!(quarter.bytes().len() <= LONGEST);
    }

    #[test]
    fn zero_pages_are_known() {
        assert!(is_zero(&[0; 4096]));
        for place in [0, 63, 64, 4095] {
            let mut page = [0; 4096];
            page[place] = 1;
            assert!(!is_zero(&page), "{place}");
        }
    }

    #[test]
    fn a_checksum_belongs_to_its_slot() {
        assert_ne!(checksum(1, b"same"), checksum(2, b"same"));
        assert_ne!(checksum(1, b"same"), checksum(1, b"some"));
    }

    proptest! {
        #[test]
        fn pages_come_back(fill in prop::collection::vec(any::<u8>(), 1..1500), repeated in any::<u8>()) {
            let mut page = [repeated; 4096];
            page[..fill.len()].copy_from_slice(&fill);
            if let Some(compressed) = Compressed::new(&page) {
                let mut back = [0x55; 4096];
                prop_assert!(compressed.decompress(&mut back));
                prop_assert_eq!(back, page);
            }
        }

        /// Whatever lies in a slot: no panic, and no page of another length is taken for one.
        #[test]
        fn any_bytes_can_be_decompressed(bytes in prop::collection::vec(any::<u8>(), 0..=LONGEST)) {
            let mut compressed = Compressed::empty(bytes.len());
            compressed.bytes_mut().copy_from_slice(&bytes);
            let mut back = [0; 4096];
            let _ = compressed.decompress(&mut back);
        }

        #[test]
        fn a_changed_bit_changes_the_checksum(bytes in prop::collection::vec(any::<u8>(), 1..256), place in any::<usize>()) {
            let mut changed = bytes.clone();
            let bit = place % (bytes.len() * 8);
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(checksum(3, &bytes), checksum(3, &changed));
        }
    }
}
