//! Which rule a file breaks, with its numbers.

use core::fmt;

use elf::abi::{EM_X86_64, ET_DYN, ET_EXEC, R_X86_64_RELATIVE};

use super::{MAXIMUM_MEMORY, MAXIMUM_PROGRAM_HEADERS, MAXIMUM_SEGMENTS};

/// Why a file is not a program that this kernel runs. Segments are named by the index of their program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// Shorter than a file header: its length in bytes.
    TooShort(usize),
    /// It does not begin as an ELF file of the current version does.
    NotElf,
    /// Not of 64-bit class, or not little-endian.
    WrongClass,
    /// For another machine: the number.
    WrongMachine(u16),
    /// Neither an executable with fixed addresses nor one that is position-independent: the type.
    WrongType(u16),
    /// The size of a program header is not the standard's.
    HeaderSize(u16),
    /// More program headers than [`MAXIMUM_PROGRAM_HEADERS`].
    TooManyHeaders(u16),
    /// The program headers at this offset are not all in the file.
    HeadersCut(u64),
    /// More segments to load than [`MAXIMUM_SEGMENTS`].
    TooManySegments,
    /// There is nothing to load.
    NoSegments,
    /// The segment's bytes are not all in the file: offset, size.
    SegmentCut(usize, u64, u64),
    /// The segment has more bytes in the file than in memory: both.
    FileLarger(usize, u64, u64),
    /// The segment is writable and executable.
    WriteAndExecute(usize),
    /// The segment's alignment is no power of two, or its address and offset do not agree with it: address, offset,
    /// alignment.
    Misaligned(usize, u64, u64, u64),
    /// The segment is not in the user half as a whole: its address and size.
    OutsideUserHalf(usize, u64, u64),
    /// The segment is where something else of every program is: its address and size, and what is there.
    Reserved(usize, u64, u64, &'static str),
    /// The segments up to this one take more than [`MAXIMUM_MEMORY`]: so many bytes, in whole pages.
    TooLarge(usize, u64),
    /// The segment is on a page of another one: that one, and the page's address.
    Overlap(usize, usize, u64),
    /// The entry is in no executable segment.
    BadEntry(u64),
    /// Position-independent, and without the table that says where its addresses are.
    NoDynamicTable,
    /// It wants to be linked with this many libraries.
    NeedsLibraries(usize),
    /// It has relocations of a kind that is not done: the name of the entry in the dynamic table, and its value.
    WrongRelocations(&'static str, u64),
    /// The entries of its relocation table have this size.
    RelocationSize(u64),
    /// Its relocations are not all in the file: address, size.
    RelocationsCut(u64, u64),
    /// This relocation is of another type.
    WrongRelocation(usize, u32),
    /// This relocation changes something outside of all writable segments: the address.
    RelocationOutside(usize, u64),
}

impl fmt::Display for ElfError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(length) => write!(out, "{length} bytes are too few for an ELF file"),
            Self::NotElf => out.write_str("not an ELF file"),
            Self::WrongClass => out.write_str("not a 64-bit little-endian ELF file"),
            Self::WrongMachine(machine) => write!(out, "for machine {machine}, not x86-64 ({EM_X86_64})"),
            Self::WrongType(kind) => {
                write!(out, "ELF type {kind}, neither an executable ({ET_EXEC}) nor position-independent ({ET_DYN})")
            }
            Self::HeaderSize(size) => write!(out, "program headers of {size} bytes, not 56"),
            Self::TooManyHeaders(count) => {
                write!(out, "{count} program headers, more than {MAXIMUM_PROGRAM_HEADERS}")
            }
            Self::HeadersCut(offset) => write!(out, "the program headers at offset {offset:#x} are cut off"),
            Self::TooManySegments => write!(out, "more than {MAXIMUM_SEGMENTS} segments to load"),
            Self::NoSegments => out.write_str("no segment to load"),
            Self::SegmentCut(index, offset, size) => {
                write!(out, "segment {index}: the file ends before its {size:#x} bytes at offset {offset:#x}")
            }
            Self::FileLarger(index, file, memory) => {
                write!(out, "segment {index}: larger in the file ({file:#x} bytes) than in memory ({memory:#x})")
            }
            Self::WriteAndExecute(index) => write!(out, "segment {index}: writable and executable"),
            Self::Misaligned(index, address, offset, alignment) => write!(
                out,
                "segment {index}: address {address:#x} and offset {offset:#x} do not fit its alignment {alignment:#x}"
            ),
            Self::OutsideUserHalf(index, start, length) => {
                write!(out, "segment {index}: {length:#x} bytes at {start:#x} are not in the user half")
            }
            Self::Reserved(index, start, length, what) => {
                write!(out, "segment {index}: {length:#x} bytes at {start:#x} are where {what}")
            }
            Self::TooLarge(index, bytes) => write!(
                out,
                "segment {index}: {bytes:#x} bytes of memory in all, in whole pages, are more than {MAXIMUM_MEMORY:#x}"
            ),
            Self::Overlap(index, other, page) => {
                write!(out, "segment {index}: shares the page at {page:#x} with segment {other}")
            }
            Self::BadEntry(entry) => write!(out, "the entry {entry:#x} is in no executable segment"),
            Self::NoDynamicTable => out.write_str("position-independent, but without a dynamic table (PT_DYNAMIC)"),
            Self::NeedsLibraries(count) => write!(out, "needs {count} shared libraries: link it statically"),
            Self::WrongRelocations(name, value) => {
                write!(out, "relocations of a kind that is not done: {name} is {value:#x}")
            }
            Self::RelocationSize(size) => write!(out, "relocations of {size} bytes, not 24"),
            Self::RelocationsCut(address, size) => {
                write!(
                    out,
                    "the {size:#x} bytes of relocations at {address:#x} are not whole and in one segment's file"
                )
            }
            Self::WrongRelocation(number, kind) => {
                write!(out, "relocation {number} is of type {kind}, not R_X86_64_RELATIVE ({R_X86_64_RELATIVE})")
            }
            Self::RelocationOutside(number, address) => {
                write!(out, "relocation {number} changes {address:#x}, which is in no writable segment")
            }
        }
    }
}

impl core::error::Error for ElfError {}
