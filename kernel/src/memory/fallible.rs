//! Allocations that can be refused.
//!
//! What a program can cause must not end the kernel when the heap is full, so these are the only ways to allocate once
//! programs run: `clippy.toml` forbids the others. What cannot be refused, because it ends something, allocates nothing.

use alloc::alloc::{Layout, alloc_zeroed};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ptr::NonNull;

use super::emergency_reserve::{ALIGNMENT_LIMIT, EMERGENCY_RESERVE, LIMIT};
use crate::cpu;

pub use gatehouse_core::fallible::{OutOfHeap, filled, growth, push, reserve, reserve_ends, reserve_exact};

/// What an `Arc` has besides its value, at most.
const COUNTS: usize = 2 * size_of::<usize>() + ALIGNMENT_LIMIT;

/// A value that is shared.
///
/// # Errors
/// [`OutOfHeap`]; the value is dropped then.
#[inline(always)]
pub fn new_arc<T>(value: T) -> Result<Arc<T>, OutOfHeap> {
    const { assert!(size_of::<T>() + COUNTS <= LIMIT && align_of::<T>() <= ALIGNMENT_LIMIT, "too large to promise") };
    promise()?;
    #[expect(clippy::disallowed_methods, reason = "the promised allocation")]
    Ok(Arc::new(value))
}

/// A value in memory of its own.
///
/// # Errors
/// [`OutOfHeap`]; the value is dropped then.
#[inline(always)]
pub fn new_box<T>(value: T) -> Result<Box<T>, OutOfHeap> {
    const { assert!(size_of::<T>() <= LIMIT && align_of::<T>() <= ALIGNMENT_LIMIT, "too large to promise") };
    promise()?;
    #[expect(clippy::disallowed_methods, reason = "the promised allocation")]
    Ok(Box::new(value))
}

/// Zeroed memory of a layout that is not empty, from the global allocator: whoever takes it gives it back there.
///
/// # Errors
/// [`OutOfHeap`].
pub fn zeroed(layout: Layout) -> Result<NonNull<u8>, OutOfHeap> {
    assert!(layout.size() != 0);
    // SAFETY: the layout is not empty.
    attempt(|| NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(OutOfHeap))
}

/// A copy of a text.
///
/// # Errors
/// [`OutOfHeap`].
pub fn copy_text(text: &str) -> Result<Box<str>, OutOfHeap> {
    if text.len() > LIMIT {
        return Err(OutOfHeap);
    }
    promise()?;
    Ok(Box::from(text))
}

/// Runs what allocates and says whether it could.
///
/// # Errors
/// [`OutOfHeap`].
pub fn attempt<T>(allocate: impl FnOnce() -> Result<T, OutOfHeap>) -> Result<T, OutOfHeap> {
    // Tests on the host have no CPU of the kernel, and another allocator; and before a CPU's block is in use there are no
    // programs.
    if cfg!(target_os = "none") && cpu::are_known() {
        EMERGENCY_RESERVE.of(&cpu::this()).reserve(allocate)
    } else {
        allocate()
    }
}

/// [`attempt`] for the growth of what `gatehouse_core` keeps.
pub(super) fn serve(allocate: &mut dyn FnMut() -> Result<(), OutOfHeap>) -> Result<(), OutOfHeap> {
    attempt(allocate)
}

/// Has the next allocation served.
#[inline(always)]
fn promise() -> Result<(), OutOfHeap> {
    // Tests on the host have no CPU of the kernel, and another allocator.
    if cfg!(target_os = "none") { EMERGENCY_RESERVE.of(&cpu::this()).promise() } else { Ok(()) }
}
