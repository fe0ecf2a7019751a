//! Frames that several address spaces may map.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use x86_64::PhysAddr;

use super::Frame;
use super::fallible::{self, OutOfHeap};
use super::frame::OutOfFrames;

/// How many shared frames a program has made that still exist, wherever they are mapped.
#[derive(Debug, Default)]
pub struct FrameQuota(AtomicU64);

impl FrameQuota {
    /// The most: 16 MiB.
    pub const LIMIT: u64 = 4096;

    fn take(self: &Arc<Self>) -> Option<Share> {
        let more = |used: u64| (used < Self::LIMIT).then_some(used + 1);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then(|| Share(Arc::clone(self)))
    }
}

/// One frame's part of a quota.
#[derive(Debug)]
struct Share(Arc<FrameQuota>);

impl Drop for Share {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why there is no shared frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSharedFrame {
    /// The program has made as many as it may.
    QuotaReached,
    /// No frame is left.
    OutOfFrames,
    /// The kernel heap is full.
    OutOfHeap,
}

impl From<OutOfHeap> for NoSharedFrame {
    fn from(_: OutOfHeap) -> Self {
        Self::OutOfHeap
    }
}

impl From<OutOfFrames> for NoSharedFrame {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfFrames
    }
}

/// Whom the registers of a device belong to: kept as long as anybody reaches them.
pub trait Owner: core::fmt::Debug + Send + Sync {}

/// A frame that capabilities and mappings refer to: each has a reference.
#[derive(Debug)]
pub struct SharedFrame(Backing);

#[derive(Debug)]
enum Backing {
    /// Memory, zeros at first. It is freed with the last reference.
    Memory { frame: Frame, _share: Share },
    /// A page of a device's registers.
    Registers { address: PhysAddr, _owner: Arc<dyn Owner> },
}

impl SharedFrame {
    /// A new frame at the expense of a quota.
    ///
    /// # Errors
    /// [`NoSharedFrame`].
    pub fn new(quota: &Arc<FrameQuota>) -> Result<Arc<Self>, NoSharedFrame> {
        let share = quota.take().ok_or(NoSharedFrame::QuotaReached)?;
        Ok(fallible::new_arc(Self(Backing::Memory { frame: Frame::allocate_zeroed()?, _share: share }))?)
    }

    /// A page of a device's registers, at an address that is a multiple of the page size and no memory's.
    ///
    /// # Errors
    /// [`OutOfHeap`].
    pub fn registers(address: PhysAddr, owner: Arc<dyn Owner>) -> Result<Arc<Self>, OutOfHeap> {
        fallible::new_arc(Self(Backing::Registers { address, _owner: owner }))
    }

    /// Whether it is registers and no memory.
    #[must_use]
    pub const fn is_registers(&self) -> bool {
        matches!(self.0, Backing::Registers { .. })
    }

    /// A new frame with what another holds at this moment, which is memory, at the expense of a quota.
    ///
    /// # Errors
    /// [`NoSharedFrame`].
    pub fn copy_of(source: &Self, quota: &Arc<FrameQuota>) -> Result<Arc<Self>, NoSharedFrame> {
        assert!(!source.is_registers(), "registers are not copied");
        let share = quota.take().ok_or(NoSharedFrame::QuotaReached)?;
        let mut frame = Frame::allocate()?;
        // SAFETY: `source` owns its frame, which is memory, and is borrowed.
        unsafe { frame.fill_from(source.address()) };
        Ok(fallible::new_arc(Self(Backing::Memory { frame, _share: share }))?)
    }

    /// Its physical address.
    #[must_use]
    pub fn address(&self) -> PhysAddr {
        match &self.0 {
            Backing::Memory { frame, .. } => frame.address(),
            Backing::Registers { address, .. } => *address,
        }
    }
}
