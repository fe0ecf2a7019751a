//! What is wrong with a table.

use core::fmt;

/// Why a table cannot be read. Offsets are in bytes from the start of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadtError {
    /// The table is shorter than its fixed part.
    ShortTable {
        /// Bytes at hand.
        length: usize,
    },
    /// The table is not a MADT.
    Signature([u8; 4]),
    /// The header claims a length that the memory at hand, or the fixed part, does not allow.
    TableLength {
        /// Length that the header claims.
        claimed: u32,
        /// Bytes at hand.
        available: usize,
    },
    /// The table ends within an entry's two-byte head.
    TruncatedHead {
        /// Where the entry starts.
        offset: usize,
    },
    /// An entry is shorter than its type needs; also every entry of length 0 or 1.
    ShortEntry {
        /// Where the entry starts.
        offset: usize,
        /// The entry's type.
        kind: u8,
        /// Length that the entry claims.
        length: u8,
        /// Length that the type needs.
        needed: u8,
    },
    /// An entry reaches beyond the end of the table.
    TruncatedEntry {
        /// Where the entry starts.
        offset: usize,
        /// The entry's type.
        kind: u8,
        /// Length that the entry claims.
        length: u8,
        /// Bytes from the entry's start to the end of the table.
        remaining: usize,
    },
}

impl fmt::Display for MadtError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MADT: ")?;
        match self {
            Self::ShortTable { length } => write!(formatter, "{length} bytes are no table"),
            Self::Signature(signature) => write!(formatter, "signature {}", signature.escape_ascii()),
            Self::TableLength { claimed, available } => {
                write!(formatter, "the header claims {claimed} bytes, {available} are there")
            }
            Self::TruncatedHead { offset } => write!(formatter, "the table ends within the entry at offset {offset}"),
            Self::ShortEntry { offset, kind, length, needed } => {
                write!(formatter, "the entry at offset {offset}, type {kind}, has {length} bytes and needs {needed}")
            }
            Self::TruncatedEntry { offset, kind, length, remaining } => {
                write!(formatter, "the entry at offset {offset}, type {kind}, has {length} bytes, {remaining} are left")
            }
        }
    }
}

impl core::error::Error for MadtError {}
