//! Programs as static ELF64 files, with fixed addresses or position-independent.
//!
//! [`plan`] decides everything and touches nothing; [`Plan::load`] carries it out. Format: "Tool Interface Standard
//! Executable and Linking Format Specification", and the "System V Application Binary Interface, AMD64 Architecture
//! Processor Supplement".

use core::ops::Range;

use elf::abi::{EM_X86_64, ET_DYN, ET_EXEC, PF_W, PF_X, PT_DYNAMIC, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::{Class, ELF64_EHDR_TAILSIZE, FileHeader, parse_ident};
use elf::parse::{ParseAt, ParseError};
use elf::segment::{ProgramHeader, SegmentTable};
use gatehouse_abi::UTCB_BASE;
use heapless::Vec;

use crate::memory::layout::{PAGE_SIZE, STACK_BYTES, STACK_TOP, UTCB_END};
use crate::memory::{Rights, UserRange};

pub use error::ElfError;
use relocations::Relocations;

/// The most program headers that a file may have.
pub const MAXIMUM_PROGRAM_HEADERS: usize = 64;
/// The most segments that are loaded.
pub const MAXIMUM_SEGMENTS: usize = 16;
/// The most memory that a program's segments may take: 64 MiB.
pub const MAXIMUM_MEMORY: u64 = 64 * 1024 * 1024;

/// Where a position-independent program is loaded, or a little above, as its alignment wants it.
const BASE: u64 = 0x40_0000;

/// Where every program has something else.
const RESERVED: [(Range<u64>, &str); 2] = [
    (STACK_TOP - STACK_BYTES - PAGE_SIZE..STACK_TOP, "the first stack is, with the page below it"),
    (UTCB_BASE..UTCB_END, "message buffers are"),
];

/// What goes where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<'file> {
    entry: u64,
    /// What is added to the file's addresses.
    base: u64,
    segments: Vec<Segment<'file>, MAXIMUM_SEGMENTS>,
    /// Words that the base is added to; all are in writable segments.
    relocations: Relocations<'file>,
}

/// A range of user memory that begins with bytes of the file and goes on with zeros. No two of a plan share a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment<'file> {
    /// Its program header.
    index: usize,
    memory: UserRange,
    file: &'file [u8],
    rights: Rights,
}

impl Segment<'_> {
    /// Writes what the page at `page` has of the file; it is all zeros.
    fn fill(&self, page: u64, bytes: &mut [u8; PAGE_SIZE as usize]) {
        // The file's bytes begin in the page, or before it.
        let start = self.memory.start();
        let target = bytes.get_mut(start.saturating_sub(page) as usize..).unwrap_or_default();
        let source = self.file.get(page.saturating_sub(start) as usize..).unwrap_or_default();
        let count = target.len().min(source.len());
        target[..count].copy_from_slice(&source[..count]);
    }

    /// Whether so many bytes from an address are in it.
    fn holds(&self, address: u64, length: u64) -> bool {
        let end = address.checked_add(length);
        address >= self.memory.start() && end.is_some_and(|end| end <= self.memory.end())
    }
}

impl Plan<'_> {
    /// Where the program starts: in an executable segment.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.entry
    }

    /// Puts the program into `target`, where nothing may be before.
    ///
    /// # Errors
    /// The first that `target` has; part of the program is there then.
    pub fn load<T: Target>(&self, target: &mut T) -> Result<(), T::Error> {
        for segment in &self.segments {
            for page in segment.memory.pages() {
                target.map(page, segment.rights, |bytes| segment.fill(page, bytes))?;
            }
        }
        for (word, addend) in self.relocations.words() {
            // It may lie on two pages.
            let bytes = addend.wrapping_add(self.base).to_le_bytes();
            (word.wrapping_add(self.base)..).zip(bytes).for_each(|(address, byte)| target.write(address, byte));
        }
        Ok(())
    }
}

/// Where a program is put.
pub trait Target {
    /// Why a page cannot be mapped.
    type Error;

    /// Maps a page at `page`, with the access of `rights`. Its bytes are zeros, and then what `fill` makes of them.
    ///
    /// # Errors
    /// The target's own.
    fn map(
        &mut self,
        page: u64,
        rights: Rights,
        fill: impl FnOnce(&mut [u8; PAGE_SIZE as usize]),
    ) -> Result<(), Self::Error>;

    /// Writes a byte of a page that was mapped.
    fn write(&mut self, address: u64, byte: u8);
}

/// Reads the file and decides how it is loaded. Any bytes are allowed.
///
/// # Errors
/// [`ElfError`].
pub fn plan(file: &[u8]) -> Result<Plan<'_>, ElfError> {
    let header = file_header(file)?;
    let headers = program_headers(file, &header)?;
    let base = if header.e_type == ET_DYN { base(&headers) } else { 0 };
    let mut segments: Vec<Segment<'_>, MAXIMUM_SEGMENTS> = Vec::new();
    let (mut memory, mut dynamic) = (0, None);
    for (index, program) in headers.iter().enumerate() {
        match program.p_type {
            PT_DYNAMIC => {
                dynamic = Some(part(file, program.p_offset, program.p_filesz).ok_or(cut(index, &program))?);
                continue;
            }
            PT_LOAD if program.p_memsz > 0 => {}
            PT_LOAD if program.p_filesz > 0 => return Err(ElfError::FileLarger(index, program.p_filesz, 0)),
            _ => continue,
        }
        let segment = segment(file, index, &program, base)?;
        let pages = pages_of(segment.memory);
        memory = pages.end.saturating_sub(pages.start).saturating_add(memory);
        if memory > MAXIMUM_MEMORY {
            return Err(ElfError::TooLarge(index, memory));
        }
        for other in &segments {
            let others = pages_of(other.memory);
            if pages.start < others.end && others.start < pages.end {
                return Err(ElfError::Overlap(index, other.index, pages.start.max(others.start)));
            }
        }
        segments.push(segment).map_err(|_| ElfError::TooManySegments)?;
    }
    if segments.is_empty() {
        return Err(ElfError::NoSegments);
    }
    let entry = header.e_entry.wrapping_add(base);
    if !segments.iter().any(|segment| segment.rights.can_execute() && segment.holds(entry, 1)) {
        return Err(ElfError::BadEntry(header.e_entry));
    }
    let relocations = match dynamic {
        None if header.e_type == ET_DYN => return Err(ElfError::NoDynamicTable),
        None => Relocations::default(),
        Some(dynamic) => relocations(dynamic, &segments, base)?,
    };
    Ok(Plan { entry, base, segments, relocations })
}

/// Where a position-independent program goes, so that its segments are aligned as they ask for.
fn base(headers: &SegmentTable<'_, LittleEndian>) -> u64 {
    let alignments = headers.iter().filter(|program| program.p_type == PT_LOAD).map(|program| program.p_align);
    // Other alignments are refused with their segment.
    let alignment = alignments.filter(|alignment| alignment.is_power_of_two()).max().unwrap_or(1);
    BASE.next_multiple_of(alignment.max(PAGE_SIZE))
}

/// The relocations that a dynamic table asks for, each within one writable segment.
fn relocations<'file>(
    dynamic: &'file [u8],
    segments: &[Segment<'file>],
    base: u64,
) -> Result<Relocations<'file>, ElfError> {
    let relocations = Relocations::find(dynamic, |address, size| {
        let address = address.wrapping_add(base);
        let segment = segments.iter().find(|segment| segment.holds(address, size))?;
        part(segment.file, address.checked_sub(segment.memory.start())?, size)
    })?;
    relocations.check(|word| {
        let word = word.wrapping_add(base);
        segments.iter().any(|segment| segment.rights == Rights::ReadWrite && segment.holds(word, WORD))
    })?;
    Ok(relocations)
}

/// Bytes that a relocation changes.
const WORD: u64 = 8;

const fn cut(index: usize, program: &ProgramHeader) -> ElfError {
    ElfError::SegmentCut(index, program.p_offset, program.p_filesz)
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
    if !matches!(header.e_type, ET_EXEC | ET_DYN) {
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
    let bytes =
        part(file, header.e_phoff, count.saturating_mul(size) as u64).ok_or(ElfError::HeadersCut(header.e_phoff))?;
    Ok(SegmentTable::new(LittleEndian, Class::ELF64, bytes))
}

fn segment<'file>(
    file: &'file [u8],
    index: usize,
    program: &ProgramHeader,
    base: u64,
) -> Result<Segment<'file>, ElfError> {
    let &ProgramHeader { p_offset, p_vaddr, p_filesz, p_memsz, p_align, p_flags, .. } = program;
    let bytes = part(file, p_offset, p_filesz).ok_or(cut(index, program))?;
    if p_filesz > p_memsz {
        return Err(ElfError::FileLarger(index, p_filesz, p_memsz));
    }
    let rights = match (p_flags & PF_W != 0, p_flags & PF_X != 0) {
        (true, true) => return Err(ElfError::WriteAndExecute(index)),
        (true, false) => Rights::ReadWrite,
        (false, true) => Rights::ReadExecute,
        (false, false) => Rights::Read,
    };
    // An alignment of 0 or 1 means none.
    let aligned = p_align <= 1 || p_align.is_power_of_two() && (p_vaddr ^ p_offset) & p_align.saturating_sub(1) == 0;
    if !aligned {
        return Err(ElfError::Misaligned(index, p_vaddr, p_offset, p_align));
    }
    let start = p_vaddr.checked_add(base).ok_or(ElfError::OutsideUserHalf(index, p_vaddr, p_memsz))?;
    let memory = UserRange::new(start, p_memsz).ok_or(ElfError::OutsideUserHalf(index, start, p_memsz))?;
    let pages = pages_of(memory);
    for (reserved, what) in RESERVED {
        if pages.start < reserved.end && reserved.start < pages.end {
            return Err(ElfError::Reserved(index, start, p_memsz, what));
        }
    }
    Ok(Segment { index, memory, file: bytes, rights })
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

mod error;
mod relocations;
#[cfg(test)]
mod tests;
