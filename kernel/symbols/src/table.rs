//! From an address to a name.

use crate::{ENTRY_BYTES, HEADER_BYTES, MAGIC};

/// A table in memory. Whatever its bytes are, looking into it never panics.
#[derive(Clone, Copy, Debug)]
pub struct SymbolTable<'bytes> {
    base: u64,
    entries: &'bytes [[u8; ENTRY_BYTES]],
    names: &'bytes [u8],
}

/// What lies at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'bytes> {
    /// The function's name.
    pub name: &'bytes str,
    /// Bytes from the function's start.
    pub offset: u64,
}

impl<'bytes> SymbolTable<'bytes> {
    /// The table at the start of `bytes`; `None` if there is none.
    #[must_use]
    pub fn parse(bytes: &'bytes [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (base, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let (names, _) = rest.split_first_chunk()?;
        let (count, names) = (u32::from_le_bytes(*count) as usize, u32::from_le_bytes(*names) as usize);
        let rest = bytes.get(HEADER_BYTES..)?;
        let (entries, _) = rest.get(..count.checked_mul(ENTRY_BYTES)?)?.as_chunks();
        let names = rest.get(size_of_val(entries)..)?.get(..names)?;
        Some(Self { base: u64::from_le_bytes(*base), entries, names })
    }

    /// Symbols in the table.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The function in which an address lies; `None` between functions.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<Found<'bytes>> {
        let wanted = u32::try_from(address.checked_sub(self.base)?).ok()?;
        let index = self.entries.partition_point(|entry| word(entry, 0) <= wanted).checked_sub(1)?;
        let entry = self.entries.get(index)?;
        let offset = wanted - word(entry, 0);
        let size = word(entry, 4);
        if size != 0 && offset >= size {
            return None;
        }
        let end = self.entries.get(index + 1).map_or(self.names.len(), |next| word(next, 8) as usize);
        let name = self.names.get(word(entry, 8) as usize..end)?;
        Some(Found { name: core::str::from_utf8(name).ok()?, offset: u64::from(offset) })
    }
}

/// The number at a place in an entry, which has 12 bytes.
fn word(entry: &[u8; ENTRY_BYTES], at: usize) -> u32 {
    entry.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Symbol, build};

    fn symbol(address: u64, size: u64, name: &str) -> Symbol {
        Symbol { address, size, name: name.into() }
    }

    const BASE: u64 = 0xffff_ffff_8020_0000;

    #[test]
    fn functions_labels_and_gaps() {
        let bytes = build(vec![
            symbol(BASE + 0x40, 0x10, "second"),
            symbol(BASE, 0x20, "first"),
            symbol(BASE + 0x8, 0, "label_inside_first"),
            symbol(BASE + 0x80, 0, "label"),
            symbol(BASE + 0x90, 4, "last"),
            symbol(BASE + 0x90, 4, "last_but_longer"),
        ]);
        let table = SymbolTable::parse(&bytes).unwrap();
        assert_eq!(table.len(), 4);
        let name = |address| table.find(address).map(|found| (found.name, found.offset));
        assert_eq!(name(BASE - 1), None);
        assert_eq!(name(BASE), Some(("first", 0)));
        assert_eq!(name(BASE + 0x1f), Some(("first", 0x1f)));
        assert_eq!(name(BASE + 0x20), None);
        assert_eq!(name(BASE + 0x4f), Some(("second", 0xf)));
        assert_eq!(name(BASE + 0x8f), Some(("label", 0xf)), "a label reaches to the next symbol");
        assert_eq!(name(BASE + 0x93), Some(("last", 3)));
        assert_eq!(name(BASE + 0x94), None);
        assert_eq!(name(u64::MAX), None);
    }

    #[test]
    fn space_without_a_table_is_told() {
        assert!(SymbolTable::parse(&[0; 4096]).is_none());
        assert!(SymbolTable::parse(&build(vec![])).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn every_symbol_is_found_at_its_every_byte(
            parts in prop::collection::vec((1_u64..64, 1_u64..64, "[a-z:é]{1,12}"), 1..40),
        ) {
            let mut at = BASE;
            let symbols: Vec<_> = parts.into_iter().map(|(gap, size, name)| {
                let address = at + gap;
                at = address + size;
                Symbol { address, size, name }
            }).collect();
            let bytes = build(symbols.clone());
            let table = SymbolTable::parse(&bytes).unwrap();
            for symbol in &symbols {
                for offset in [0, symbol.size / 2, symbol.size - 1] {
                    let found = table.find(symbol.address + offset);
                    prop_assert_eq!(found, Some(Found { name: &symbol.name, offset }));
                }
                prop_assert_eq!(table.find(symbol.address - 1).filter(|found| found.name == symbol.name && found.offset > symbol.size), None);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400), address in any::<u64>()) {
            for (place, byte) in bytes.iter_mut().zip(MAGIC) {
                *place = byte;
            }
            if let Some(table) = SymbolTable::parse(&bytes) {
                let _ = table.find(address);
                let _ = table.find(table.base.wrapping_add(address & 0xff));
            }
        }
    }
}
