//! The kernel's only way to a program's memory.
//!
//! Addresses are translated by the program's page tables and the bytes reached through the direct map, with the address space
//! locked: nothing can be unmapped meanwhile, on any CPU, and the kernel never touches a user mapping, so that no copy
//! can fault and SMAP needs no exception.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use alloc::sync::Arc;
use core::ops::Range;

use gatehouse_abi::Error;
use gatehouse_core::memory::UserRange;
use gatehouse_core::memory::layout::PAGE_SIZE;
use x86_64::VirtAddr;

use crate::memory::AddressSpace;
use crate::memory::address_space::PageState;
use crate::memory::direct_map;
use crate::program::Program;
use crate::swap;

/// What is to be done with the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    /// A write to what the program may read or execute.
    Patch,
}

/// How far a walk over a program's memory came.
enum Walk {
    /// To the end.
    Done,
    /// To this address, whose page is swapped out.
    SwappedOut(u64),
}

/// Calls `each` with a pointer to every piece from `at` to `end`, page by page, in order; the second argument is its length.
fn for_each_piece(
    space: &AddressSpace,
    mut at: u64,
    end: u64,
    access: Access,
    each: &mut impl FnMut(*mut u8, usize),
) -> Result<Walk, Error> {
    while at < end {
        let offset = at % PAGE_SIZE;
        let piece = PAGE_SIZE.saturating_sub(offset).min(end.saturating_sub(at));
        let (frame, rights) = match space.page(VirtAddr::new(at)) {
            PageState::Mapped { frame, rights } => (frame, rights),
            PageState::SwappedOut { rights, .. } if access != Access::Write || rights.can_write() => {
                return Ok(Walk::SwappedOut(at));
            }
            _ => return Err(Error::BadAddress),
        };
        // What is shared is others', too: nobody patches it here who could not write to it.
        let page = VirtAddr::new(at.saturating_sub(offset));
        let refused = access == Access::Write || access == Access::Patch && space.is_shared(page);
        if refused && !rights.can_write() {
            return Err(Error::BadAddress);
        }
        each(direct_map::pointer(frame.as_u64() | offset), piece as usize);
        at = at.saturating_add(piece);
    }
    Ok(Walk::Done)
}

/// Calls `each` with a pointer to every piece of the range. A page that is swapped out is swapped in on the way, with the address
/// space unlocked.
fn with_pieces(
    program: &Arc<Program>,
    address: u64,
    length: u64,
    access: Access,
    mut each: impl FnMut(*mut u8, usize),
) -> Result<(), Error> {
    let range = UserRange::new(address, length).ok_or(Error::BadAddress)?;
    let mut at = range.start();
    loop {
        let walk = {
            let space = program.space();
            let space = space.as_ref().ok_or(Error::BadAddress)?;
            for_each_piece(space, at, range.end(), access, &mut each)?
        };
        match walk {
            Walk::Done => return Ok(()),
            Walk::SwappedOut(page) => {
                swap::for_copy(program, page)?;
                at = page;
            }
        }
    }
}

/// The bytes of a buffer that a piece is about, behind those that are done, and where they end. Pieces are no longer than the buffer.
const fn part(done: usize, length: usize) -> (Range<usize>, usize) {
    let end = done.saturating_add(length);
    (done..end, end)
}

/// Copies a program's bytes into `target`.
///
/// # Errors
/// [`Error::BadAddress`] if any byte is not the program's to read; `target` may have changed then.
pub fn read(program: &Arc<Program>, address: u64, target: &mut [u8]) -> Result<(), Error> {
    let mut done = 0;
    with_pieces(program, address, target.len() as u64, Access::Read, |piece, length| {
        let (part, end) = part(done, length);
        let part = &mut target[part];
        // SAFETY: the piece is RAM in the direct map, mapped to the program while the space is locked. Threads of the
        // program may write to it at the same time, which changes what is copied and nothing else.
        unsafe { piece.copy_to_nonoverlapping(part.as_mut_ptr(), length) };
        done = end;
    })
}

/// Copies `source` into a program's memory.
///
/// # Errors
/// [`Error::BadAddress`] if any byte is not the program's to write; some may have been written then.
pub fn write(program: &Arc<Program>, address: u64, source: &[u8]) -> Result<(), Error> {
    copy_out(program, address, source, Access::Write)
}

fn copy_out(program: &Arc<Program>, address: u64, source: &[u8], access: Access) -> Result<(), Error> {
    let mut done = 0;
    with_pieces(program, address, source.len() as u64, access, |piece, length| {
        let (part, end) = part(done, length);
        let part = &source[part];
        // SAFETY: as in `read`, and the program may write to it, or whoever asks may.
        unsafe { piece.copy_from_nonoverlapping(part.as_ptr(), length) };
        done = end;
    })
}

/// Copies `source` into a program's memory, to pages that the program may not write itself, too, but for shared frames. A
/// debugger's way: nobody else sees the change.
///
/// # Errors
/// [`Error::BadAddress`] if any byte is not mapped; some may have been written then.
pub fn patch(program: &Arc<Program>, address: u64, source: &[u8]) -> Result<(), Error> {
    copy_out(program, address, source, Access::Patch)
}

/// Checks that a program may write to the whole range.
///
/// # Errors
/// [`Error::BadAddress`] if it may not.
pub fn check_writable(program: &Arc<Program>, address: u64, length: u64) -> Result<(), Error> {
    with_pieces(program, address, length, Access::Write, |_, _| ())
}

/// A plain value as bytes, to be copied to a program.
#[must_use]
pub fn bytes_of<T: zerocopy::IntoBytes + zerocopy::Immutable>(value: &T) -> &[u8] {
    value.as_bytes()
}
