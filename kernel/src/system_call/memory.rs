//! Calls about the caller's memory.

use alloc::vec::Vec;

use gatehouse_abi::{Error, UTCB_BASE};
use x86_64::VirtAddr;

use crate::cpu::ThisCpu;
use crate::irq::flush_program_range;
use crate::memory::address_space::{PageState, StaleShare, Unmapped};
use crate::memory::layout::PAGE_SIZE;
use crate::memory::{AddressSpace, Frame, Rights};
use crate::program::{Program, UTCB_END};
use crate::thread::Thread;

/// The most that a program may hold, tables included, in frames: 128 MiB.
pub(super) const FRAME_QUOTA: u64 = 32 * 1024;

pub(super) fn check(address: u64, length: u64) -> Result<(), Error> {
    // A longer range would keep the CPU busy with pages that cannot be there.
    if length == 0
        || length > FRAME_QUOTA * PAGE_SIZE
        || !address.is_multiple_of(PAGE_SIZE)
        || !length.is_multiple_of(PAGE_SIZE)
    {
        return Err(Error::InvalidArgument);
    }
    if address < UTCB_END && address + length.min(UTCB_END) > UTCB_BASE {
        return Err(Error::InvalidArgument);
    }
    AddressSpace::check_user_range(address, length).map_err(|_| Error::InvalidArgument)
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
    taken.own.try_reserve((length / PAGE_SIZE).min(space.frames()) as usize).map_err(|_| Error::OutOfMemory)?;
    for page in pages(address, length) {
        match space.unmap_shared(page) {
            Some(share) => taken.shared.push(share),
            None => taken.own.extend(space.unmap(page)),
        }
    }
    Ok(taken)
}

/// Frees what was taken away, once no CPU can reach it any more.
fn free(cpu: &ThisCpu, program: &Program, address: u64, length: u64, taken: Taken) {
    flush_program_range(cpu, program, VirtAddr::new(address), length);
    // SAFETY: every CPU that runs the program has just forgotten its translations.
    taken.own.into_iter().for_each(|page| drop(unsafe { page.after_flush() }));
    // SAFETY: as above.
    taken.shared.into_iter().for_each(|share| drop(unsafe { share.after_flush() }));
}

pub(super) fn map(cpu: &ThisCpu, thread: &Thread, address: u64, length: u64) -> Result<u64, Error> {
    map_in(cpu, thread.program(), address, length)
}

pub(super) fn map_in(cpu: &ThisCpu, program: &Program, address: u64, length: u64) -> Result<u64, Error> {
    check(address, length)?;
    let done = map_fresh(program, address, length)?;
    if done < length {
        let taken = take(program, address, done)?;
        free(cpu, program, address, done, taken);
        return Err(Error::OutOfMemory);
    }
    Ok(address)
}

/// Maps fresh pages from the start of the range; answers how many bytes memory sufficed for.
fn map_fresh(program: &Program, address: u64, length: u64) -> Result<u64, Error> {
    let mut space = program.space();
    let space = space.as_mut().ok_or(Error::NotPermitted)?;
    if space.frames().saturating_add(length / PAGE_SIZE) > FRAME_QUOTA {
        return Err(Error::OutOfMemory);
    }
    if pages(address, length).any(|page| space.page(page) != PageState::Unmapped) {
        return Err(Error::AlreadyMapped);
    }
    for (done, page) in pages(address, length).enumerate() {
        let mapped = Frame::allocate_zeroed().is_ok_and(|frame| space.map(page, frame, Rights::ReadWrite).is_ok());
        if !mapped {
            return Ok(done as u64 * PAGE_SIZE);
        }
    }
    Ok(length)
}

pub(super) fn unmap(cpu: &ThisCpu, thread: &Thread, address: u64, length: u64) -> Result<u64, Error> {
    unmap_in(cpu, thread.program(), address, length)
}

pub(super) fn unmap_in(cpu: &ThisCpu, program: &Program, address: u64, length: u64) -> Result<u64, Error> {
    check(address, length)?;
    let taken = take(program, address, length)?;
    let count = taken.pages();
    if count == 0 {
        return Err(Error::NotFound);
    }
    free(cpu, program, address, length, taken);
    Ok(count * PAGE_SIZE)
}
