//! Frames that several address spaces may map.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use x86_64::PhysAddr;

use super::Frame;
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
}

impl From<OutOfFrames> for NoSharedFrame {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfFrames
    }
}

/// A frame of zeros at first. It is freed with its last reference: capabilities and mappings each have one.
#[derive(Debug)]
pub struct SharedFrame {
    frame: Frame,
    _share: Share,
}

impl SharedFrame {
    /// A new frame at the expense of a quota.
    ///
    /// # Errors
    /// [`NoSharedFrame`].
    pub fn new(quota: &Arc<FrameQuota>) -> Result<Arc<Self>, NoSharedFrame> {
        let share = quota.take().ok_or(NoSharedFrame::QuotaReached)?;
        Ok(Arc::new(Self { frame: Frame::allocate_zeroed()?, _share: share }))
    }

    /// A new frame with what another holds at this moment, at the expense of a quota.
    ///
    /// # Errors
    /// [`NoSharedFrame`].
    pub fn copy_of(source: &Self, quota: &Arc<FrameQuota>) -> Result<Arc<Self>, NoSharedFrame> {
        let share = quota.take().ok_or(NoSharedFrame::QuotaReached)?;
        let mut frame = Frame::allocate()?;
        // SAFETY: `source` owns its frame, and is borrowed.
        unsafe { frame.fill_from(source.address()) };
        Ok(Arc::new(Self { frame, _share: share }))
    }

    /// Its physical address.
    #[must_use]
    pub fn address(&self) -> PhysAddr {
        self.frame.address()
    }
}
