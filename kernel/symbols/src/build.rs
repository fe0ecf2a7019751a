//! From symbols to a table.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{ENTRY_BYTES, HEADER_BYTES, MAGIC};

/// A function, or a label of assembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its first byte.
    pub address: u64,
    /// Its bytes; 0 for a label, which reaches to the next symbol.
    pub size: u64,
    /// Its name, as people read it.
    pub name: String,
}

/// Makes the table. Of symbols at one address the largest stays, of those the one with the shortest name. Labels inside a
/// function are left out.
///
/// # Panics
/// When the symbols lie 4 GiB or more apart, or the names are as long.
#[must_use]
pub fn build(mut symbols: Vec<Symbol>) -> Vec<u8> {
    symbols.sort_by(|one, other| {
        let key = |symbol: &Symbol| (symbol.address, core::cmp::Reverse(symbol.size), symbol.name.len());
        key(one).cmp(&key(other)).then_with(|| one.name.cmp(&other.name))
    });
    symbols.dedup_by_key(|symbol| symbol.address);
    let mut covered = 0;
    symbols.retain(|symbol| {
        let inside = symbol.size == 0 && symbol.address < covered;
        covered = covered.max(symbol.address.saturating_add(symbol.size));
        !inside
    });
    let base = symbols.first().map_or(0, |symbol| symbol.address);
    let names: usize = symbols.iter().map(|symbol| symbol.name.len()).sum();
    let mut table = Vec::with_capacity(HEADER_BYTES + symbols.len() * ENTRY_BYTES + names);
    table.extend(MAGIC);
    table.extend(base.to_le_bytes());
    table.extend(word(symbols.len() as u64));
    table.extend(word(names as u64));
    let mut name = 0;
    for symbol in &symbols {
        table.extend(word(symbol.address - base));
        table.extend(word(symbol.size));
        table.extend(word(name));
        name += symbol.name.len() as u64;
    }
    symbols.iter().for_each(|symbol| table.extend(symbol.name.bytes()));
    table
}

fn word(value: u64) -> [u8; 4] {
    u32::try_from(value).expect("a kernel's image is smaller than 4 GiB").to_le_bytes()
}
