//! What is noted about a table, in a few lines: tables list hundreds of CPUs that are not there.

use core::fmt;
use core::mem::{Discriminant, discriminant};

use super::{Note, Topology};

/// Notes of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The first of them in the table.
    pub first: Note,
    /// How many there are.
    pub count: usize,
    /// Lowest and highest APIC id, if they are about CPUs.
    ids: Option<(u32, u32)>,
}

impl Topology {
    /// The notes, those of one kind together, in the order in which the kinds come first.
    pub fn note_summaries(&self) -> impl Iterator<Item = Summary> {
        let notes = &self.notes;
        let is_first = |(index, note): &(usize, &Note)| notes[..*index].iter().all(|other| kind(other) != kind(note));
        notes.iter().enumerate().filter(is_first).map(|(_, first)| summary(notes, *first))
    }
}

const fn kind(note: &Note) -> Discriminant<Note> {
    discriminant(note)
}

fn summary(notes: &[Note], first: Note) -> Summary {
    let alike = || notes.iter().filter(|note| kind(note) == kind(&first));
    let ids = || alike().filter_map(id);
    let range = ids().min().zip(ids().max());
    Summary { first, count: alike().count(), ids: range }
}

const fn id(note: &Note) -> Option<u32> {
    match note {
        Note::Disabled(id) | Note::Duplicate(id) | Note::BootCpuNotListed(id) => Some(id.get()),
        _ => None,
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, count, ids } = self;
        write!(out, "MADT: {count} ")?;
        out.write_str(match first {
            Note::Disabled(_) => "CPUs that cannot be used",
            Note::Duplicate(_) => "CPUs that are listed again",
            Note::BootCpuNotListed(_) => "CPU that boots and is not listed",
            Note::InvalidId { .. } => "CPUs with the id that means everybody",
            Note::UnknownType { .. } => "entries of types that are not read",
            Note::UnknownBus { .. } => "overrides for a bus that is not ISA",
            Note::ReservedFlags { .. } => "interrupts with reserved flags",
            Note::ShortEntry { .. } => "entries that are too short, left out",
            Note::TruncatedEntry { .. } => "entry beyond the end, left out",
            Note::Padding { .. } => "end that is no entry, left out",
            Note::MissingEnd { .. } => "end that is missing",
        })?;
        match (first, ids) {
            (_, Some((lowest, highest))) if lowest == highest => write!(out, ": APIC id {lowest}"),
            (_, Some((lowest, highest))) => write!(out, ": APIC ids {lowest} to {highest}"),
            (first, None) => write!(out, ": {first:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec::Vec;

    use percpu::ApicId;

    use super::{Note, Topology};

    #[test]
    fn hundreds_of_notes_are_a_line_for_each_kind() {
        let mut topology = Topology::default();
        topology.notes.extend((2..300).map(|id| Note::Disabled(ApicId::new(id))));
        topology.notes.push(Note::UnknownType { offset: 44, kind: 0x7f });
        topology.notes.push(Note::Disabled(ApicId::new(1)));
        topology.notes.push(Note::UnknownType { offset: 47, kind: 0x80 });
        topology.notes.push(Note::Duplicate(ApicId::new(7)));
        let lines: Vec<_> = topology.note_summaries().map(|summary| summary.to_string()).collect();
        assert_eq!(
            lines,
            [
                "MADT: 299 CPUs that cannot be used: APIC ids 1 to 299",
                "MADT: 2 entries of types that are not read: UnknownType { offset: 44, kind: 127 }",
                "MADT: 1 CPUs that are listed again: APIC id 7",
            ]
        );
    }
}
