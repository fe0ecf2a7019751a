//! Pages that are elsewhere: their slots, and the bytes that are kept of them.

pub mod page_codec;
pub mod slot_table;
