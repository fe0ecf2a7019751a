//! What is wrong with a table.

use core::fmt;

/// Why a table cannot be read. Offsets are in bytes from the start of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MadtError {
    /// The table is shorter than its fixed part.
    ShortTable {
        /// Bytes at hand.
        length: usize,
    },
    /// The table is not a MADT.
    Signature([u8; 4]),
    /// The header claims a length that has no room for the fixed part.
    TableLength {
        /// Length that the header claims.
        claimed: u32,
    },
}

impl fmt::Display for MadtError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MADT: ")?;
        match self {
            Self::ShortTable { length } => write!(formatter, "{length} bytes are no table"),
            Self::Signature(signature) => write!(formatter, "signature {}", signature.escape_ascii()),
            Self::TableLength { claimed } => write!(formatter, "the header, at offset 4, claims {claimed} bytes"),
        }
    }
}

impl core::error::Error for MadtError {}
