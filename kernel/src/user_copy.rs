//! The kernel's only way to a program's memory.
//!
//! Addresses are translated by the program's page tables and the bytes reached through the direct map, with the address space
//! locked: nothing can be unmapped meanwhile, on any CPU, and the kernel never touches a user mapping, so that no copy
//! can fault and SMAP needs no exception.

use gatehouse_abi::Error;
use x86_64::VirtAddr;

use crate::memory::AddressSpace;
use crate::memory::direct_map;
use crate::memory::layout::PAGE_SIZE;
use crate::program::Program;

/// What is to be done with the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    /// A write to what the program may read or execute.
    Patch,
}

/// Calls `each` with a pointer to every piece of the range, page by page, in order; the second argument is its length.
fn for_each_piece(
    space: &AddressSpace,
    address: u64,
    length: u64,
    access: Access,
    mut each: impl FnMut(*mut u8, usize),
) -> Result<(), Error> {
    AddressSpace::check_user_range(address, length).map_err(|_| Error::BadAddress)?;
    let mut at = address;
    let end = address + length;
    while at < end {
        let page_end = (at / PAGE_SIZE + 1) * PAGE_SIZE;
        let piece = page_end.min(end) - at;
        let translation = space.translate(VirtAddr::new(at)).ok_or(Error::BadAddress)?;
        if access == Access::Write && !translation.rights.can_write() {
            return Err(Error::BadAddress);
        }
        each(direct_map::pointer(translation.physical.as_u64()), piece as usize);
        at += piece;
    }
    Ok(())
}

fn with_pieces(
    program: &Program,
    address: u64,
    length: u64,
    access: Access,
    each: impl FnMut(*mut u8, usize),
) -> Result<(), Error> {
    let space = program.space();
    let space = space.as_ref().ok_or(Error::BadAddress)?;
    for_each_piece(space, address, length, access, each)
}

/// Copies a program's bytes into `target`.
///
/// # Errors
/// [`Error::BadAddress`] if any byte is not the program's to read; `target` may have changed then.
pub fn read(program: &Program, address: u64, target: &mut [u8]) -> Result<(), Error> {
    let mut done = 0;
    with_pieces(program, address, target.len() as u64, Access::Read, |piece, length| {
        let part = &mut target[done..done + length];
        // SAFETY: the piece is RAM in the direct map, mapped to the program while the space is locked. Threads of the
        // program may write to it at the same time, which changes what is copied and nothing else.
        unsafe { piece.copy_to_nonoverlapping(part.as_mut_ptr(), length) };
        done += length;
    })
}

/// Copies `source` into a program's memory.
///
/// # Errors
/// [`Error::BadAddress`] if any byte is not the program's to write; some may have been written then.
pub fn write(program: &Program, address: u64, source: &[u8]) -> Result<(), Error> {
    copy_out(program, address, source, Access::Write)
}

fn copy_out(program: &Program, address: u64, source: &[u8], access: Access) -> Result<(), Error> {
    let mut done = 0;
    with_pieces(program, address, source.len() as u64, access, |piece, length| {
        let part = &source[done..done + length];
        // SAFETY: as in `read`, and the program may write to it, or whoever asks may.
        unsafe { piece.copy_from_nonoverlapping(part.as_ptr(), length) };
        done += length;
    })
}

/// Copies `source` into a program's memory, to pages that the program may not write itself, too. A debugger's way: frames
/// are not shared between programs, so nobody else sees the change.
///
/// # Errors
/// [`Error::BadAddress`] if any byte is not mapped; some may have been written then.
pub fn patch(program: &Program, address: u64, source: &[u8]) -> Result<(), Error> {
    copy_out(program, address, source, Access::Patch)
}

/// Checks that a program may write to the whole range.
///
/// # Errors
/// [`Error::BadAddress`] if it may not.
pub fn check_writable(program: &Program, address: u64, length: u64) -> Result<(), Error> {
    with_pieces(program, address, length, Access::Write, |_, _| ())
}

/// A plain value as bytes, to be copied to a program.
#[must_use]
pub fn bytes_of<T: zerocopy::IntoBytes + zerocopy::Immutable>(value: &T) -> &[u8] {
    value.as_bytes()
}
