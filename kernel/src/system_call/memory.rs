//! Calls about the caller's memory.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gatehouse_abi::{Error, UTCB_BASE};
use x86_64::VirtAddr;

use crate::cpu::ThisCpu;
use crate::irq::{flush_program_page, flush_program_range};
use crate::memory::address_space::{MapError, PageState, Removed, StaleShare, Unmapped};
use crate::memory::fallible;
use crate::memory::layout::PAGE_SIZE;
use crate::memory::{AddressSpace, Frame, Rights, UserRange};
use crate::program::{Program, UTCB_END};
use crate::swap;
use crate::thread::Thread;

/// The most that a program may hold, tables included, in frames: 128 MiB.
pub(super) const FRAME_QUOTA: u64 = 32 * 1024;

#[inline(always)]
pub(super) fn check(address: u64, length: u64) -> Result<(), Error> {
    // A longer range would keep the CPU busy with pages that cannot be there. None becomes the longest.
    if length.wrapping_sub(1) >= FRAME_QUOTA * PAGE_SIZE || !(address | length).is_multiple_of(PAGE_SIZE) {
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

fn pages(address: u64, length: u64) -> impl Iterator<Item = VirtAddr> {
    (0..length / PAGE_SIZE).map(move |page| VirtAddr::new(address + page * PAGE_SIZE))
}

/// What was taken away, until no CPU can reach it any more.
struct Taken {
    own: Vec<Unmapped>,
    shared: Vec<StaleShare>,
}

impl Taken {
    const fn pages(&self) -> u64 {
        self.own.len() as u64 + self.shared.len() as u64
    }
}

/// Takes away what is mapped in the range; pages that are not are passed over.
fn take(program: &Program, address: u64, length: u64) -> Result<Taken, Error> {
    let mut space = program.space();
    let space = space.as_mut().ok_or(Error::NotPermitted)?;
    let mut taken = Taken { own: Vec::new(), shared: Vec::new() };
    let pages_at_most = |pages: u64| pages.min(length / PAGE_SIZE) as usize;
    fallible::reserve(&mut taken.own, pages_at_most(space.size()))?;
    fallible::reserve(&mut taken.shared, pages_at_most(space.shared_pages()))?;
    #[expect(clippy::disallowed_methods, reason = "there is room for all")]
    for page in pages(address, length) {
        match space.remove(page) {
            Some(Removed::Own(own)) => taken.own.push(own),
            Some(Removed::Shared(share)) => taken.shared.push(share),
            None => {}
        }
    }
    Ok(taken)
}

/// Frees what was taken away, once no CPU can reach it any more.
fn free(cpu: &ThisCpu, program: &Program, address: u64, length: u64, taken: Taken) {
    flush_program_range(cpu, program, VirtAddr::new(address), length);
    // SAFETY: every CPU that runs the program has just forgotten its translations.
    taken.own.into_iter().for_each(|own| unsafe { free_one(Removed::Own(own)) });
    // SAFETY: as above.
    taken.shared.into_iter().for_each(|share| unsafe { free_one(Removed::Shared(share)) });
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
        Removed::Own(Unmapped::Away(token)) => swap::release(token),
        // SAFETY: as above.
        Removed::Shared(share) => drop(unsafe { share.after_flush() }),
    }
}

/// [`gatehouse_abi::SystemCall::MapMemory`].
#[inline(always)]
pub(super) fn map(cpu: &ThisCpu, thread: &Thread, address: u64, length: u64) -> Result<u64, Error> {
    map_in(cpu, thread.program(), address, length)
}

#[inline(always)]
pub(super) fn map_in(cpu: &ThisCpu, program: &Program, address: u64, length: u64) -> Result<u64, Error> {
    check(address, length)?;
    let scarce = swap::make_room(cpu, 0);
    if length == PAGE_SIZE
        && !scarce
        && let Some(result) = map_fresh_page(program, VirtAddr::new_truncate(address))
    {
        return result;
    }
    map_range(cpu, program, address, length, scarce)
}

/// Maps one fresh page; `None` if there is no frame for it.
#[inline(always)]
fn map_fresh_page(program: &Program, page: VirtAddr) -> Option<Result<u64, Error>> {
    let mut space = program.space();
    let Some(space) = space.as_mut() else { return Some(Err(Error::NotPermitted)) };
    if space.size() >= FRAME_QUOTA {
        return Some(Err(Error::OutOfMemory));
    }
    match space.map_made(page, Frame::allocate_zeroed, Rights::ReadWrite) {
        Ok(()) => Some(Ok(page.as_u64())),
        Err(MapError::AlreadyMapped(_)) => Some(Err(Error::AlreadyMapped)),
        Err(_) => None,
    }
}

#[inline(never)]
fn map_range(cpu: &ThisCpu, program: &Program, address: u64, length: u64, scarce: bool) -> Result<u64, Error> {
    let done = map_fresh(program, address, length, scarce)?;
    if done < length {
        let taken = take(program, address, done)?;
        free(cpu, program, address, done, taken);
        return Err(Error::OutOfMemory);
    }
    Ok(address)
}

/// Maps fresh pages from the start of the range; answers how many bytes memory sufficed for.
fn map_fresh(program: &Program, address: u64, length: u64, mut scarce: bool) -> Result<u64, Error> {
    let mut space = program.space();
    let space = space.as_mut().ok_or(Error::NotPermitted)?;
    if space.size().saturating_add(length / PAGE_SIZE) > FRAME_QUOTA {
        return Err(Error::OutOfMemory);
    }
    if pages(address, length).any(|page| space.page(page) != PageState::Unmapped) {
        return Err(Error::AlreadyMapped);
    }
    for (done, page) in pages(address, length).enumerate() {
        if done > 0 && done.is_multiple_of(CHECK_EVERY) {
            scarce = swap::is_scarce();
        }
        let frame = if scarce { None } else { Frame::allocate_zeroed().ok() };
        let mapped = match frame {
            Some(frame) => space.map(page, frame, Rights::ReadWrite).is_ok(),
            None => promise_zeros(program, space, page),
        };
        if !mapped {
            return Ok(done as u64 * PAGE_SIZE);
        }
    }
    Ok(length)
}

/// How many pages are mapped before it is looked again whether frames are scarce.
const CHECK_EVERY: usize = 32;

/// Maps a page that gets its frame when it is touched.
fn promise_zeros(program: &Program, space: &mut AddressSpace, page: VirtAddr) -> bool {
    if !swap::promise_zeros(1) {
        return false;
    }
    program.residence().note_away();
    let mapped = space.map_away(page, swap::ZERO, Rights::ReadWrite).is_ok();
    if !mapped {
        swap::release(swap::ZERO);
    }
    mapped
}

/// The most that one SwapOut looks at: it does not let anything else run on its CPU meanwhile.
const SWAP_LIMIT: u64 = 1024 * 1024;

/// Swaps out those pages in the range that are in memory; answers how many bytes went.
pub(super) fn swap_out_pages(cpu: &ThisCpu, program: &Arc<Program>, address: u64, length: u64) -> Result<u64, Error> {
    check(address, length)?;
    if length > SWAP_LIMIT {
        return Err(Error::InvalidArgument);
    }
    let store = swap::store().ok_or(Error::NotPermitted)?;
    let mut gone = 0;
    let mut batch = heapless::Vec::<_, { swap::BATCH }>::new();
    for page in pages(address, length) {
        if batch.push(page).is_err() {
            gone += swap::send_away(cpu, store, program, &batch);
            batch.clear();
            let pushed = batch.push(page);
            debug_assert!(pushed.is_ok());
        }
    }
    gone += swap::send_away(cpu, store, program, &batch);
    Ok(gone as u64 * PAGE_SIZE)
}

/// [`gatehouse_abi::SystemCall::UnmapMemory`].
#[inline(always)]
pub(super) fn unmap(cpu: &ThisCpu, thread: &Thread, address: u64, length: u64) -> Result<u64, Error> {
    unmap_in(cpu, thread.program(), address, length)
}

#[inline(always)]
pub(super) fn unmap_in(cpu: &ThisCpu, program: &Program, address: u64, length: u64) -> Result<u64, Error> {
    check(address, length)?;
    if length == PAGE_SIZE {
        unmap_page(cpu, program, VirtAddr::new(address))
    } else {
        unmap_range(cpu, program, address, length)
    }
}

#[inline(always)]
fn unmap_page(cpu: &ThisCpu, program: &Program, page: VirtAddr) -> Result<u64, Error> {
    let removed = program.space().as_mut().ok_or(Error::NotPermitted)?.remove(page);
    let removed = removed.ok_or(Error::NotFound)?;
    flush_program_page(cpu, program, page);
    // SAFETY: every CPU that runs the program has just forgotten the translation.
    unsafe { free_one(removed) };
    Ok(PAGE_SIZE)
}

#[inline(never)]
fn unmap_range(cpu: &ThisCpu, program: &Program, address: u64, length: u64) -> Result<u64, Error> {
    let taken = take(program, address, length)?;
    let count = taken.pages();
    if count == 0 {
        return Err(Error::NotFound);
    }
    free(cpu, program, address, length, taken);
    Ok(count * PAGE_SIZE)
}
