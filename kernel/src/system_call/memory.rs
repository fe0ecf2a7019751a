//! Calls about the caller's memory.

use alloc::sync::Arc;

use gatehouse_abi::{Error, UTCB_BASE};
use gatehouse_core::memory::layout::{LARGE_PAGE_SIZE, PAGE_SIZE, UTCB_END};
use gatehouse_core::memory::{Rights, UserRange};
use heapless::Vec;
use x86_64::VirtAddr;

use super::progress::{Piece, PieceResult, Progress, Stage};
use crate::cpu::ThisCpu;
use crate::ipi::{flush_program_page, flush_program_range, keep_back};
use crate::memory::address_space::{MapError, QUOTA, Removed, Unmapped};
use crate::memory::{AddressSpace, Frame};
use crate::program::Program;
use crate::swap;

/// How many pages one piece of a call maps. Each is filled with zeros.
const MAP_AT_ONCE: u64 = 16;

/// How many pages one piece of a call takes away.
const UNMAP_AT_ONCE: usize = 64;

/// How many page tables one piece of a call looks into for pages to take away, or in the way.
const TABLES_AT_ONCE: usize = 4;

// A call's progress counts pages in 16 bits.
const _: () = assert!(QUOTA <= u16::MAX as u64);

#[inline(always)]
pub(super) fn check(address: u64, length: u64) -> Result<(), Error> {
    // A longer range would keep the CPU busy with pages that cannot be there. None becomes the longest.
    if length.wrapping_sub(1) >= QUOTA * PAGE_SIZE || !(address | length).is_multiple_of(PAGE_SIZE) {
        return Err(Error::InvalidArgument);
    }
    let range = UserRange::new(address, length).ok_or(Error::InvalidArgument)?;
    if range.end() <= UTCB_BASE { Ok(()) } else { check_high(range) }
}

/// Where message buffers lie nothing is mapped or unmapped by a program.
#[cold]
#[inline(never)]
fn check_high(range: UserRange) -> Result<(), Error> {
    if range.start() < UTCB_END && range.end() > UTCB_BASE { Err(Error::InvalidArgument) } else { Ok(()) }
}

/// The pages of a range that [`check`] allows, from the one with this number on.
fn rest(address: u64, length: u64, done: u16) -> Result<UserRange, Error> {
    let before = bytes(done);
    let left = length.checked_sub(before).ok_or(Error::InvalidArgument)?;
    UserRange::new(address.checked_add(before).ok_or(Error::InvalidArgument)?, left).ok_or(Error::InvalidArgument)
}

fn pages(range: UserRange, most: u64) -> impl Iterator<Item = VirtAddr> {
    range.pages().take(most as usize).map(VirtAddr::new)
}

/// Bytes of so many pages.
const fn bytes(pages: u16) -> u64 {
    (pages as u64).wrapping_mul(PAGE_SIZE)
}

/// What was taken away, until no CPU can reach it any more.
struct Taken {
    removed: Vec<Removed, UNMAP_AT_ONCE>,
    /// Up to where nothing is mapped any more.
    end: u64,
}

/// Takes away what is mapped from the start of the range on, as much as one piece of a call does; pages that are not are passed
/// over. Allocates nothing.
fn take(program: &Program, range: UserRange) -> Result<Taken, Error> {
    let mut space = program.space();
    let space = space.as_mut().ok_or(Error::NotPermitted)?;
    let mut taken = Taken { removed: Vec::new(), end: range.start() };
    let mut looks = TABLES_AT_ONCE;
    while taken.end < range.end() && !taken.removed.is_full() && looks > 0 {
        match space.remove_next(taken.end, range.end(), looks) {
            Ok((page, removed)) => {
                let passed = (page.as_u64() / LARGE_PAGE_SIZE).saturating_sub(taken.end / LARGE_PAGE_SIZE);
                looks = looks.saturating_sub(passed as usize);
                let pushed = taken.removed.push(removed);
                debug_assert!(pushed.is_ok(), "there is room for it");
                // A page of a program has one behind it.
                taken.end = page.as_u64().wrapping_add(PAGE_SIZE);
            }
            Err(end) => {
                taken.end = end.min(range.end());
                looks = 0;
            }
        }
    }
    Ok(taken)
}

/// Frees what was taken away, once no CPU can reach it any more.
fn free(cpu: &ThisCpu, program: &Program, start: u64, taken: Taken) {
    if taken.removed.is_empty() {
        return;
    }
    if !flush_program_range(cpu, program.root(), VirtAddr::new(start), taken.end.saturating_sub(start)) {
        keep_back(taken.removed.len() as u64);
        return core::mem::forget(taken);
    }
    for removed in taken.removed {
        // SAFETY: every CPU that runs the program has just forgotten its translations of the pages from `start` to
        // `taken.end`, where all that was removed has been.
        unsafe { free_one(removed) };
    }
}

/// Frees what was at one page.
///
/// # Safety
/// No CPU has the translation of the page any more.
#[inline(always)]
unsafe fn free_one(removed: Removed) {
    match removed {
        // SAFETY: the caller's promise.
        Removed::Own(Unmapped::Frame(stale)) => drop(unsafe { stale.after_flush() }),
        Removed::Own(Unmapped::SwappedOut(token)) => swap::release(token),
        // SAFETY: the caller's promise: no CPU has the translation of the page.
        Removed::Shared(share) => drop(unsafe { share.after_flush() }),
    }
}

/// A piece of mapping fresh pages in a program.
#[inline(always)]
pub(super) fn map_in(cpu: &ThisCpu, program: &Program, address: u64, length: u64, progress: Progress) -> PieceResult {
    check(address, length)?;
    if length == PAGE_SIZE
        && progress == Progress::NONE
        && !swap::reclaim(cpu, 0)
        && let Some(result) = map_fresh_page(program, VirtAddr::new_truncate(address))
    {
        return result.map(Piece::Done);
    }
    map_range(cpu, program, address, length, progress)
}

/// Maps one fresh page; `None` if there is no frame for it.
#[inline(always)]
fn map_fresh_page(program: &Program, page: VirtAddr) -> Option<Result<u64, Error>> {
    let mut space = program.space();
    let Some(space) = space.as_mut() else { return Some(Err(Error::NotPermitted)) };
    match space.map_made(page, Frame::allocate_zeroed, Rights::ReadWrite) {
        Ok(()) => Some(Ok(page.as_u64())),
        Err(MapError::AlreadyMapped(_)) => Some(Err(Error::AlreadyMapped)),
        Err(MapError::QuotaReached) => Some(Err(Error::OutOfMemory)),
        Err(_) => None,
    }
}

/// First it is seen that nothing is in the way, then pages are mapped; if that fails all the same, those that were mapped are
/// taken away again, the last ones first.
#[inline(never)]
fn map_range(cpu: &ThisCpu, program: &Program, address: u64, length: u64, progress: Progress) -> PieceResult {
    let rest = rest(address, length, progress.done)?;
    match progress.stage {
        Stage::Work => {
            let looked = look_for_room(program, address, length, rest)?;
            // A short range is looked at and mapped in one piece.
            if looked == length && length <= MAP_AT_ONCE * PAGE_SIZE {
                return map_some(cpu, program, address, length, 0);
            }
            let more = if looked == length {
                Progress { stage: Stage::Map, ..Progress::NONE }
            } else {
                Progress { done: (looked / PAGE_SIZE) as u16, ..progress }
            };
            Ok(Piece::More(more))
        }
        Stage::Map => map_some(cpu, program, address, length, progress.done),
        Stage::UndoForMemory => undo_some(cpu, program, address, progress, Error::OutOfMemory),
        Stage::UndoForPage => undo_some(cpu, program, address, progress, Error::AlreadyMapped),
    }
}

/// Looks whether something is mapped in `rest`, the end of a range; answers up to which offset into the range nothing is.
fn look_for_room(program: &Program, address: u64, length: u64, rest: UserRange) -> Result<u64, Error> {
    let mut space = program.space();
    let space = space.as_mut().ok_or(Error::NotPermitted)?;
    if rest.length() == length {
        space.check_quota(rest).map_err(|_| Error::OutOfMemory)?;
    }
    match space.next_used(rest.start(), rest.end(), TABLES_AT_ONCE) {
        Ok(_) => Err(Error::AlreadyMapped),
        Err(end) => Ok(end.min(rest.end()).saturating_sub(address)),
    }
}

/// Maps some more fresh pages of a range, of which so many are mapped.
fn map_some(cpu: &ThisCpu, program: &Program, address: u64, length: u64, done: u16) -> PieceResult {
    let scarce = swap::reclaim(cpu, 0);
    let rest = rest(address, length, done)?;
    let mut more = Progress { stage: Stage::Map, done, count: 0 };
    {
        let mut space = program.space();
        let space = space.as_mut().ok_or(Error::NotPermitted)?;
        for page in pages(rest, MAP_AT_ONCE) {
            match map_one(program, space, page, scarce) {
                // No more than the range has.
                Ok(()) => more.done = more.done.saturating_add(1),
                Err(MapError::AlreadyMapped(_)) => more.stage = Stage::UndoForPage,
                Err(_) => more.stage = Stage::UndoForMemory,
            }
            if more.stage != Stage::Map {
                break;
            }
        }
    }
    match more.stage {
        Stage::Map if bytes(more.done) == length => Ok(Piece::Done(address)),
        Stage::UndoForPage if more.done == 0 => Err(Error::AlreadyMapped),
        Stage::UndoForMemory if more.done == 0 => Err(Error::OutOfMemory),
        _ => Ok(Piece::More(more)),
    }
}

/// Maps a fresh page, or one that gets its frame when it is touched.
fn map_one(program: &Program, space: &mut AddressSpace, page: VirtAddr, scarce: bool) -> Result<(), MapError> {
    if !scarce {
        match space.map_made(page, Frame::allocate_zeroed, Rights::ReadWrite) {
            Err(MapError::OutOfFrames) => {}
            result => return result,
        }
    }
    if !swap::promise_zeros(1) {
        return Err(MapError::OutOfFrames);
    }
    program.residence().note_swapped_out();
    let mapped = space.map_swapped_out(page, swap::ZERO, Rights::ReadWrite);
    if mapped.is_err() {
        swap::release(swap::ZERO);
    }
    mapped
}

/// Takes the last of the pages away that a call has mapped which is refused for `error`.
fn undo_some(cpu: &ThisCpu, program: &Program, address: u64, progress: Progress, error: Error) -> PieceResult {
    let from = progress.done.saturating_sub(UNMAP_AT_ONCE as u16);
    let range = rest(address, bytes(progress.done), from)?;
    let taken = take(program, range)?;
    free(cpu, program, range.start(), taken);
    if from == 0 { Err(error) } else { Ok(Piece::More(Progress { done: from, ..progress })) }
}

/// The most that one SwapOut looks at.
const SWAP_LIMIT: u64 = 1024 * 1024;

/// Swaps out those pages of a piece of the range that are in memory; answers how many bytes went of all.
pub(super) fn swap_out_pages(
    cpu: &ThisCpu,
    program: &Arc<Program>,
    address: u64,
    length: u64,
    progress: Progress,
) -> PieceResult {
    check(address, length)?;
    if length > SWAP_LIMIT {
        return Err(Error::InvalidArgument);
    }
    let store = swap::store().ok_or(Error::NotPermitted)?;
    let rest = rest(address, length, progress.done)?;
    let mut batch = Vec::<VirtAddr, { swap::BATCH }>::new();
    for page in pages(rest, swap::BATCH as u64) {
        let pushed = batch.push(page);
        assert!(pushed.is_ok(), "no more than a batch");
    }
    let count = progress.count.saturating_add(swap::swap_out(cpu, store, program, &batch) as u16);
    let done = progress.done.saturating_add(batch.len() as u16);
    if bytes(done) == length {
        return Ok(Piece::Done(bytes(count)));
    }
    Ok(Piece::More(Progress { done, count, ..progress }))
}

/// A piece of unmapping in a program.
#[inline(always)]
pub(super) fn unmap_in(cpu: &ThisCpu, program: &Program, address: u64, length: u64, progress: Progress) -> PieceResult {
    check(address, length)?;
    if length == PAGE_SIZE {
        unmap_page(cpu, program, VirtAddr::new(address)).map(Piece::Done)
    } else {
        unmap_range(cpu, program, address, length, progress)
    }
}

#[inline(always)]
fn unmap_page(cpu: &ThisCpu, program: &Program, page: VirtAddr) -> Result<u64, Error> {
    let removed = program.space().as_mut().ok_or(Error::NotPermitted)?.remove(page);
    let removed = removed.ok_or(Error::NotFound)?;
    if !flush_program_page(cpu, program.root(), page) {
        keep_page_back(removed);
        return Ok(PAGE_SIZE);
    }
    // SAFETY: every CPU that runs the program has just forgotten the translation.
    unsafe { free_one(removed) };
    Ok(PAGE_SIZE)
}

/// What was at a page is not used again, as a CPU may still reach it.
#[cold]
#[inline(never)]
fn keep_page_back(removed: Removed) {
    keep_back(1);
    core::mem::forget(removed);
}

#[inline(never)]
fn unmap_range(cpu: &ThisCpu, program: &Program, address: u64, length: u64, progress: Progress) -> PieceResult {
    let rest = rest(address, length, progress.done)?;
    let taken = take(program, rest)?;
    let count = progress.count.saturating_add(taken.removed.len() as u16);
    let end = taken.end;
    free(cpu, program, rest.start(), taken);
    if end < rest.end() {
        let done = (end.saturating_sub(address) / PAGE_SIZE) as u16;
        return Ok(Piece::More(Progress { done, count, ..progress }));
    }
    if count == 0 { Err(Error::NotFound) } else { Ok(Piece::Done(bytes(count))) }
}
