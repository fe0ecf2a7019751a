//! What is odd about a table.

use core::fmt;

use super::tables::Name;

/// Something that is not as it should be: in which table, where, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oddity {
    /// The table.
    pub table: Name,
    /// Its physical address.
    pub address: u64,
    /// Bytes from its start.
    pub offset: u64,
    /// What it is.
    pub reason: Reason,
}

/// What is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The bytes do not add up to 0, but to this. They are used all the same.
    Sum(u8),
    /// It cannot be read: no memory is there, or not as much as it says.
    Unreadable,
    /// Another name stands there.
    Name(Name),
    /// It says that it has so many bytes; it must have at least, and at most.
    Length {
        /// What it says.
        claimed: u32,
        /// The fewest that can be used.
        least: u32,
        /// The most that are read.
        most: u32,
    },
    /// So many bytes at the end of the list are no whole entry.
    Remainder(u32),
    /// So many entries of the list lead to no table that can be read; this is the first.
    DeadEntries(u32),
    /// It leads to no table.
    NoRootTable,
    /// The table's own reader refuses it.
    Refused,
}

impl fmt::Display for Oddity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, address, offset, reason } = self;
        write!(out, "{table} at {address:#x}, offset {offset}: ")?;
        match reason {
            Reason::Sum(sum) => write!(out, "the bytes add up to {sum:#x} and not to 0; used all the same"),
            Reason::Unreadable => out.write_str("cannot be read"),
            Reason::Name(name) => write!(out, "the name there is {name}"),
            Reason::Length { claimed, least, most } => {
                write!(out, "a length of {claimed} bytes; {least} to {most} can be")
            }
            Reason::Remainder(bytes) => write!(out, "{bytes} bytes at the end are no whole entry"),
            Reason::DeadEntries(count) => write!(out, "{count} entries from here on lead to no table that can be read"),
            Reason::NoRootTable => out.write_str("leads to no root table"),
            Reason::Refused => out.write_str("cannot be used"),
        }
    }
}

/// A table that is needed and cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There is none.
    Missing(Name),
    /// There are so many, none of which can be used; why was told for each.
    Odd(Name, u32),
    /// This is why.
    Because(Oddity),
}

impl fmt::Display for Unusable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(out, "the firmware has no table {name}"),
            Self::Odd(name, count) => {
                write!(out, "the firmware has {count} of table {name}, none of which can be used")
            }
            Self::Because(oddity) => oddity.fmt(out),
        }
    }
}

impl core::error::Error for Unusable {}
