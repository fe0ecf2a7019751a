//! The entries of a table, one behind the other.

use super::Note;
use super::parse::FIXED_PART;

pub(super) const LOCAL_APIC: u8 = 0;
pub(super) const IO_APIC: u8 = 1;
pub(super) const INTERRUPT_SOURCE_OVERRIDE: u8 = 2;
pub(super) const LOCAL_APIC_NMI: u8 = 4;
pub(super) const LOCAL_APIC_ADDRESS_OVERRIDE: u8 = 5;
pub(super) const LOCAL_X2APIC: u8 = 9;
pub(super) const LOCAL_X2APIC_NMI: u8 = 10;

/// Bytes of an entry's type and length.
const HEAD: usize = 2;

/// The entries of a whole table, by their offsets: each has as many bytes as its type needs, or more. One that has fewer is a note;
/// what leaves no way to the next one is a note, too, and the last.
pub(super) fn entries(table: &[u8]) -> impl Iterator<Item = Result<(usize, &[u8]), Note>> {
    let mut offset = FIXED_PART;
    core::iter::from_fn(move || {
        let rest = table.get(offset..).filter(|rest| !rest.is_empty())?;
        let start = core::mem::replace(&mut offset, table.len());
        let (kind, length) = match *rest {
            [kind, length, ..] if usize::from(length) >= HEAD => (kind, length),
            // Firmware pads with zeros, or with what was there.
            _ => return Some(Err(Note::Padding { offset: start, bytes: rest.len() })),
        };
        let Some(entry) = rest.get(..usize::from(length)) else {
            return Some(Err(Note::TruncatedEntry { offset: start, kind, length, remaining: rest.len() }));
        };
        offset = start + entry.len();
        let needed = needed(kind);
        let is_whole = length >= needed;
        Some(if is_whole { Ok((start, entry)) } else { Err(Note::ShortEntry { offset: start, kind, length, needed }) })
    })
}

/// Bytes that an entry of a type has at least.
const fn needed(kind: u8) -> u8 {
    match kind {
        LOCAL_APIC => 8,
        IO_APIC => 12,
        INTERRUPT_SOURCE_OVERRIDE => 10,
        LOCAL_APIC_NMI => 6,
        LOCAL_APIC_ADDRESS_OVERRIDE => 12,
        LOCAL_X2APIC => 16,
        LOCAL_X2APIC_NMI => 12,
        _ => HEAD as u8,
    }
}
