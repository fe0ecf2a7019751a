//! What a program that may lie anywhere has to have added to its addresses.
//!
//! Only what a static executable needs is done: words that become the base and a constant (`R_X86_64_RELATIVE`). Whatever else
//! the dynamic table asks for is refused by name, as a program that runs without it would go wrong later and silently.

use elf::abi::{
    DT_JMPREL, DT_NEEDED, DT_NULL, DT_PLTRELSZ, DT_REL, DT_RELA, DT_RELAENT, DT_RELASZ, DT_RELSZ, DT_TEXTREL,
    R_X86_64_RELATIVE,
};
use elf::dynamic::DynamicTable;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::relocation::{Rela, RelaIterator};

use super::ElfError;

/// "Generic System V ABI", "Relative Relocations". The `elf` crate has no names for them.
const DT_RELRSZ: i64 = 35;
const DT_RELR: i64 = 36;

/// Bytes of one relocation in the file.
const RELOCATION_BYTES: u64 = 24;

/// The relocations of a program, which are all of the one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Relocations<'file>(&'file [u8]);

impl<'file> Relocations<'file> {
    /// Those that a dynamic table asks for. `file` finds so many bytes of the program, by the address that the file gives.
    ///
    /// # Errors
    /// [`ElfError`].
    pub fn find(dynamic: &'file [u8], file: impl FnOnce(u64, u64) -> Option<&'file [u8]>) -> Result<Self, ElfError> {
        let (mut libraries, mut address, mut size) = (0, 0, 0);
        let entries = DynamicTable::new(LittleEndian, Class::ELF64, dynamic).iter();
        for entry in entries.take_while(|entry| entry.d_tag != DT_NULL) {
            let value = entry.d_val();
            let refused = |name| Err(ElfError::WrongRelocations(name, value));
            match entry.d_tag {
                DT_NEEDED => libraries = usize::saturating_add(libraries, 1),
                DT_RELA => address = value,
                DT_RELASZ => size = value,
                DT_RELAENT if value != RELOCATION_BYTES => return Err(ElfError::RelocationSize(value)),
                DT_REL => return refused("DT_REL"),
                DT_RELSZ if value > 0 => return refused("DT_RELSZ"),
                DT_RELR => return refused("DT_RELR"),
                DT_RELRSZ if value > 0 => return refused("DT_RELRSZ"),
                DT_JMPREL => return refused("DT_JMPREL"),
                DT_PLTRELSZ if value > 0 => return refused("DT_PLTRELSZ"),
                DT_TEXTREL => return refused("DT_TEXTREL"),
                _ => {}
            }
        }
        if libraries > 0 {
            return Err(ElfError::NeedsLibraries(libraries));
        }
        if size == 0 {
            return Ok(Self::default());
        }
        let bytes = file(address, size).filter(|_| size.is_multiple_of(RELOCATION_BYTES));
        bytes.map(Self).ok_or(ElfError::RelocationsCut(address, size))
    }

    /// Checks that each is of the one type and changes a word of which `is_writable` says so, by its address in the file.
    ///
    /// # Errors
    /// [`ElfError::WrongRelocation`], [`ElfError::RelocationOutside`].
    pub fn check(self, is_writable: impl Fn(u64) -> bool) -> Result<(), ElfError> {
        for (number, relocation) in self.iter().enumerate() {
            if relocation.r_type != R_X86_64_RELATIVE {
                return Err(ElfError::WrongRelocation(number, relocation.r_type));
            }
            if !is_writable(relocation.r_offset) {
                return Err(ElfError::RelocationOutside(number, relocation.r_offset));
            }
        }
        Ok(())
    }

    /// Each word to be changed, by its address in the file, with what is to be added to the base there.
    pub fn words(self) -> impl Iterator<Item = (u64, u64)> {
        self.iter().map(|relocation| (relocation.r_offset, relocation.r_addend.cast_unsigned()))
    }

    fn iter(self) -> impl Iterator<Item = Rela> {
        RelaIterator::new(LittleEndian, Class::ELF64, self.0)
    }
}
