//! Calls about frames that programs share.

use alloc::sync::Arc;

use gatehouse_abi::{Error, SLOT_NONE, rights};
use gatehouse_core::capability::Rights;
use gatehouse_core::memory::Rights as PageRights;
use gatehouse_core::memory::layout::PAGE_SIZE;
use x86_64::VirtAddr;

use super::capabilities::{insert, program};
use super::look_up::find;
use super::memory::{check, unmap_in};
use super::progress::{PieceResult, Progress};
use crate::cpu::ThisCpu;
use crate::memory::address_space::MapError;
use crate::memory::shared_frame::{NoSharedFrame, SharedFrame};
use crate::memory::{self};
use crate::object::register_object;
use crate::thread::Thread;

register_object!(Arc<SharedFrame>, "frame");

/// Makes a frame: of zeros, or with the contents of the one in a slot.
pub(super) fn create(thread: &Thread, source: u64) -> Result<u64, Error> {
    let quota = thread.program().frame_quota();
    let frame = match source {
        SLOT_NONE => SharedFrame::new(quota),
        source => {
            let source: Arc<SharedFrame> = find(thread, source, Rights::READ)?;
            if source.is_registers() {
                return Err(Error::InvalidArgument);
            }
            SharedFrame::copy_of(&source, quota)
        }
    };
    let frame = frame.map_err(|refused| match refused {
        NoSharedFrame::QuotaReached => Error::QuotaReached,
        NoSharedFrame::OutOfFrames | NoSharedFrame::OutOfHeap => Error::OutOfMemory,
    })?;
    insert(thread.program(), frame)
}

/// Maps a frame into the caller's program, or another.
pub(super) fn map(thread: &Thread, arguments: &[u64; 6]) -> Result<u64, Error> {
    let [number, target, address, wanted, ..] = *arguments;
    let (needed, page_rights) = match wanted {
        rights::READ => (Rights::READ, PageRights::Read),
        wanted if wanted == rights::READ | rights::WRITE => (Rights::READ.union(Rights::WRITE), PageRights::ReadWrite),
        _ => return Err(Error::InvalidArgument),
    };
    check(address, PAGE_SIZE)?;
    let frame: Arc<SharedFrame> = find(thread, number, needed)?;
    // Dropped behind the guard: it may be the last reference to a device's registers.
    let _kept = Arc::clone(&frame);
    let target = match target {
        SLOT_NONE => Arc::clone(thread.program()),
        target => program(thread, target, Rights::WRITE)?,
    };
    let mut space = target.space();
    let space: &mut memory::AddressSpace = space.as_mut().ok_or(Error::NotPermitted)?;
    match space.map_shared(VirtAddr::new(address), frame, page_rights) {
        Ok(()) => Ok(address),
        Err(MapError::QuotaReached | MapError::OutOfFrames | MapError::OutOfHeap) => Err(Error::OutOfMemory),
        Err(MapError::AlreadyMapped(_)) => Err(Error::AlreadyMapped),
        Err(_) => Err(Error::InvalidArgument),
    }
}

/// Unmaps pages of another program.
pub(super) fn unmap_from(cpu: &ThisCpu, thread: &Thread, arguments: &[u64; 6], progress: Progress) -> PieceResult {
    let [target, address, length, ..] = *arguments;
    let target = program(thread, target, Rights::WRITE)?;
    unmap_in(cpu, &target, address, length, progress)
}
