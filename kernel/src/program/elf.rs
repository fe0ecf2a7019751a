//! Programs as static ELF64 files.
//!
//! [`plan`] decides everything and touches nothing; [`load`] carries a plan out. Format: "Tool Interface Standard
//! Executable and Linking Format Specification", and the "System V Application Binary Interface, AMD64 Architecture
//! Processor Supplement".

use core::fmt;
use core::ops::Range;

use elf::abi::{EM_X86_64, ET_EXEC, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::{Class, ELF64_EHDR_TAILSIZE, FileHeader, parse_ident};
use elf::parse::{ParseAt, ParseError};
use elf::segment::{ProgramHeader, SegmentTable};
use heapless::Vec;
use x86_64::VirtAddr;

use crate::memory::address_space::MapError;
use crate::memory::layout::PAGE_SIZE;
use crate::memory::{AddressSpace, Frame, Rights, UserRange};

/// The most program headers that a file may have.
pub const MAXIMUM_PROGRAM_HEADERS: usize = 64;
/// The most segments that are loaded.
pub const MAXIMUM_SEGMENTS: usize = 16;
/// The most memory that a program's segments may take: 64 MiB.
pub const MAXIMUM_MEMORY: u64 = 64 * 1024 * 1024;

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
    /// Not an executable with fixed addresses: the type. Position-independent programs are type 3.
    WrongType(u16),
    /// The size of a program header is not the standard's.
    HeaderSize(u16),
    /// More program headers than [`MAXIMUM_PROGRAM_HEADERS`].
    TooManyHeaders(u16),
    /// The program headers at this offset are not all in the file.
    HeadersCut(u64),
    /// It asks for an interpreter, or to be linked when it starts.
    Dynamic,
    /// More segments to load than [`MAXIMUM_SEGMENTS`].
    TooManySegments,
    /// There is nothing to load.
    NoSegments,
    /// The segment's bytes are not all in the file.
    SegmentCut(usize),
    /// The segment has more bytes in the file than in memory.
    FileLarger(usize),
    /// The segment is writable and executable.
    WriteAndExecute(usize),
    /// The segment's alignment is no power of two, or its address and offset do not agree with it.
    Misaligned(usize),
    /// The segment is not in the user half as a whole: its address and size.
    OutsideUserHalf(u64, u64),
    /// The segments take more than [`MAXIMUM_MEMORY`] together: this one is too much.
    TooLarge(usize),
    /// The segment is on a page of another one.
    Overlap(usize),
    /// The entry is in no executable segment.
    BadEntry(u64),
}

impl fmt::Display for ElfError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(length) => write!(formatter, "{length} bytes are too few for an ELF file"),
            Self::NotElf => formatter.write_str("not an ELF file"),
            Self::WrongClass => formatter.write_str("not a 64-bit little-endian ELF file"),
            Self::WrongMachine(machine) => write!(formatter, "for machine {machine}, not x86-64 ({EM_X86_64})"),
            Self::WrongType(kind) => write!(formatter, "ELF type {kind}, not a static executable ({ET_EXEC})"),
            Self::HeaderSize(size) => write!(formatter, "program headers of {size} bytes"),
            Self::TooManyHeaders(count) => {
                write!(formatter, "{count} program headers, more than {MAXIMUM_PROGRAM_HEADERS}")
            }
            Self::HeadersCut(offset) => write!(formatter, "the program headers at offset {offset:#x} are cut off"),
            Self::Dynamic => formatter.write_str("dynamically linked"),
            Self::TooManySegments => write!(formatter, "more than {MAXIMUM_SEGMENTS} segments to load"),
            Self::NoSegments => formatter.write_str("no segment to load"),
            Self::SegmentCut(index) => write!(formatter, "segment {index}: the file ends before it"),
            Self::FileLarger(index) => write!(formatter, "segment {index}: larger in the file than in memory"),
            Self::WriteAndExecute(index) => write!(formatter, "segment {index}: writable and executable"),
            Self::Misaligned(index) => {
                write!(formatter, "segment {index}: address and offset do not fit its alignment")
            }
            Self::OutsideUserHalf(start, length) => {
                write!(formatter, "{length:#x} bytes at {start:#x} are not in the user half")
            }
            Self::TooLarge(index) => {
                write!(formatter, "segment {index}: more than {MAXIMUM_MEMORY} bytes of memory in all")
            }
            Self::Overlap(index) => write!(formatter, "segment {index}: shares a page with another segment"),
            Self::BadEntry(entry) => write!(formatter, "the entry {entry:#x} is in no executable segment"),
        }
    }
}

impl core::error::Error for ElfError {}

/// Why a program was not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The file is no program that this kernel runs.
    Elf(ElfError),
    /// No frames are left.
    OutOfMemory,
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf(error) => error.fmt(formatter),
            Self::OutOfMemory => formatter.write_str("no memory is left"),
        }
    }
}

impl core::error::Error for LoadError {}

impl From<ElfError> for LoadError {
    fn from(error: ElfError) -> Self {
        Self::Elf(error)
    }
}

/// What goes where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<'file> {
    entry: u64,
    segments: Vec<Segment<'file>, MAXIMUM_SEGMENTS>,
}

/// A range of user memory that begins with bytes of the file and goes on with zeros. No two of a plan share a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment<'file> {
    memory: UserRange,
    file: &'file [u8],
    rights: Rights,
}

impl Plan<'_> {
    /// Where the program starts: in an executable segment.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.entry
    }
}

/// Reads the file and decides how it is loaded. Any bytes are allowed.
///
/// # Errors
/// [`ElfError`].
pub fn plan(file: &[u8]) -> Result<Plan<'_>, ElfError> {
    let header = file_header(file)?;
    let mut segments: Vec<Segment<'_>, MAXIMUM_SEGMENTS> = Vec::new();
    let mut memory = 0;
    for (index, program) in program_headers(file, &header)?.iter().enumerate() {
        match program.p_type {
            PT_INTERP | PT_DYNAMIC => return Err(ElfError::Dynamic),
            PT_LOAD if program.p_memsz > 0 => {}
            PT_LOAD if program.p_filesz > 0 => return Err(ElfError::FileLarger(index)),
            _ => continue,
        }
        let segment = segment(file, index, &program)?;
        let pages = pages_of(segment.memory);
        memory += pages.end - pages.start;
        if memory > MAXIMUM_MEMORY {
            return Err(ElfError::TooLarge(index));
        }
        let shares = |other: &Segment<'_>| {
            let other = pages_of(other.memory);
            pages.start < other.end && other.start < pages.end
        };
        if segments.iter().any(shares) {
            return Err(ElfError::Overlap(index));
        }
        segments.push(segment).map_err(|_| ElfError::TooManySegments)?;
    }
    if segments.is_empty() {
        return Err(ElfError::NoSegments);
    }
    let entry = header.e_entry;
    let holds_entry = |segment: &Segment<'_>| {
        segment.rights.can_execute() && (segment.memory.start()..segment.memory.end()).contains(&entry)
    };
    if !segments.iter().any(holds_entry) {
        return Err(ElfError::BadEntry(entry));
    }
    Ok(Plan { entry, segments })
}

fn file_header(file: &[u8]) -> Result<FileHeader<LittleEndian>, ElfError> {
    const IDENT: usize = elf::abi::EI_NIDENT;
    let (ident, tail) = file.split_at_checked(IDENT).ok_or(ElfError::TooShort(file.len()))?;
    let ident = parse_ident::<LittleEndian>(ident).map_err(|error| match error {
        ParseError::UnsupportedElfClass(_) | ParseError::UnsupportedElfEndianness(_) => ElfError::WrongClass,
        _ => ElfError::NotElf,
    })?;
    if ident.1 != Class::ELF64 {
        return Err(ElfError::WrongClass);
    }
    let tail = tail.get(..ELF64_EHDR_TAILSIZE).ok_or(ElfError::TooShort(file.len()))?;
    let header = FileHeader::parse_tail(ident, tail).map_err(|_| ElfError::TooShort(file.len()))?;
    if header.e_machine != EM_X86_64 {
        return Err(ElfError::WrongMachine(header.e_machine));
    }
    if header.e_type != ET_EXEC {
        return Err(ElfError::WrongType(header.e_type));
    }
    Ok(header)
}

fn program_headers<'file>(
    file: &'file [u8],
    header: &FileHeader<LittleEndian>,
) -> Result<SegmentTable<'file, LittleEndian>, ElfError> {
    let size = ProgramHeader::size_for(Class::ELF64);
    let count = usize::from(header.e_phnum);
    if count == 0 {
        return Err(ElfError::NoSegments);
    }
    if usize::from(header.e_phentsize) != size {
        return Err(ElfError::HeaderSize(header.e_phentsize));
    }
    if count > MAXIMUM_PROGRAM_HEADERS {
        return Err(ElfError::TooManyHeaders(header.e_phnum));
    }
    let bytes = part(file, header.e_phoff, (count * size) as u64).ok_or(ElfError::HeadersCut(header.e_phoff))?;
    Ok(SegmentTable::new(LittleEndian, Class::ELF64, bytes))
}

fn segment<'file>(file: &'file [u8], index: usize, program: &ProgramHeader) -> Result<Segment<'file>, ElfError> {
    let bytes = part(file, program.p_offset, program.p_filesz).ok_or(ElfError::SegmentCut(index))?;
    if program.p_filesz > program.p_memsz {
        return Err(ElfError::FileLarger(index));
    }
    let rights = match (program.p_flags & PF_W != 0, program.p_flags & PF_X != 0) {
        (true, true) => return Err(ElfError::WriteAndExecute(index)),
        (true, false) => Rights::ReadWrite,
        (false, true) => Rights::ReadExecute,
        (false, false) => Rights::Read,
    };
    // An alignment of 0 or 1 means none.
    let aligned = match program.p_align {
        0 | 1 => true,
        align => align.is_power_of_two() && program.p_vaddr % align == program.p_offset % align,
    };
    if !aligned {
        return Err(ElfError::Misaligned(index));
    }
    let memory = UserRange::new(program.p_vaddr, program.p_memsz)
        .ok_or(ElfError::OutsideUserHalf(program.p_vaddr, program.p_memsz))?;
    Ok(Segment { memory, file: bytes, rights })
}

/// `length` bytes of the file from `offset`.
fn part(file: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    file.get(start..end)
}

/// The whole pages around `memory`. The end of the user half is page-aligned, so that nothing wraps.
fn pages_of(memory: UserRange) -> Range<u64> {
    memory.start() & !(PAGE_SIZE - 1)..memory.end().next_multiple_of(PAGE_SIZE)
}

/// Loads the program in `file` into `space`, which holds nothing yet; answers the entry.
///
/// # Errors
/// [`LoadError`]. After [`LoadError::OutOfMemory`] part of the program is in `space`, which is to be dropped.
///
/// # Panics
/// When something is mapped in `space` where the program goes.
pub fn load(file: &[u8], space: &mut AddressSpace) -> Result<u64, LoadError> {
    let plan = plan(file)?;
    for segment in &plan.segments {
        for page in segment.memory.pages() {
            let frame = filled_frame(segment, page).ok_or(LoadError::OutOfMemory)?;
            match space.map(VirtAddr::new(page), frame, segment.rights) {
                Ok(()) => {}
                Err(MapError::OutOfFrames) => return Err(LoadError::OutOfMemory),
                Err(error) => panic!("a program is loaded into an address space that is not empty: {error}"),
            }
        }
    }
    Ok(plan.entry)
}

/// The contents of the page at `page`.
fn filled_frame(segment: &Segment<'_>, page: u64) -> Option<Frame> {
    let mut frame = Frame::allocate_zeroed().ok()?;
    let from = page.max(segment.memory.start());
    let to = (page + PAGE_SIZE).min(segment.memory.start() + segment.file.len() as u64);
    if from < to {
        let source = (from - segment.memory.start()) as usize..(to - segment.memory.start()) as usize;
        let target = (from - page) as usize..(to - page) as usize;
        frame.bytes_mut()[target].copy_from_slice(&segment.file[source]);
    }
    Some(frame)
}

#[cfg(test)]
mod tests;
