//! Allocations that can be refused.
//!
//! What a program can cause must not end the kernel when the heap is full, so these are the only ways to allocate once
//! programs run: `clippy.toml` forbids the others. What cannot be refused, because it ends something, allocates nothing.

use alloc::alloc::{Layout, alloc_zeroed};
use alloc::boxed::Box;
use alloc::collections::{TryReserveError, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ptr::NonNull;

use super::set_aside::{ALIGNMENT_LIMIT, LIMIT};
use crate::cpu;

pub use super::set_aside::OutOfHeap;

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

/// A vector of `count` times the same value.
///
/// # Errors
/// [`OutOfHeap`].
pub fn filled<T: Copy>(value: T, count: usize) -> Result<Vec<T>, OutOfHeap> {
    let mut all = Vec::new();
    reserve_exact(&mut all, count)?;
    #[expect(clippy::disallowed_methods, reason = "there is room for them")]
    all.resize(count, value);
    Ok(all)
}

/// Puts a value behind the others.
///
/// # Errors
/// [`OutOfHeap`]; nothing has changed then.
pub fn push<T>(all: &mut Vec<T>, value: T) -> Result<(), OutOfHeap> {
    reserve(all, 1)?;
    #[expect(clippy::disallowed_methods, reason = "there is room for it")]
    all.push(value);
    Ok(())
}

/// Makes room for so many more, and some in advance.
///
/// # Errors
/// [`OutOfHeap`].
pub fn reserve<T>(all: &mut Vec<T>, more: usize) -> Result<(), OutOfHeap> {
    if all.capacity() - all.len() >= more {
        return Ok(());
    }
    #[expect(clippy::disallowed_methods, reason = "the one place for it")]
    growth(|| all.try_reserve(more))
}

/// Makes room for so many more.
///
/// # Errors
/// [`OutOfHeap`].
pub fn reserve_exact<T>(all: &mut Vec<T>, more: usize) -> Result<(), OutOfHeap> {
    if all.capacity() - all.len() >= more {
        return Ok(());
    }
    #[expect(clippy::disallowed_methods, reason = "the one place for it")]
    growth(|| all.try_reserve_exact(more))
}

/// Makes room for so many more, and some in advance.
///
/// # Errors
/// [`OutOfHeap`].
pub fn reserve_ends<T>(all: &mut VecDeque<T>, more: usize) -> Result<(), OutOfHeap> {
    if all.capacity() - all.len() >= more {
        return Ok(());
    }
    growth(|| all.try_reserve(more))
}

/// Runs what makes room and says whether it could.
///
/// # Errors
/// [`OutOfHeap`].
pub fn growth(grow: impl FnOnce() -> Result<(), TryReserveError>) -> Result<(), OutOfHeap> {
    attempt(|| grow().map_err(|_| OutOfHeap))
}

/// Runs what allocates and says whether it could.
///
/// # Errors
/// [`OutOfHeap`].
pub fn attempt<T>(allocate: impl FnOnce() -> Result<T, OutOfHeap>) -> Result<T, OutOfHeap> {
    // Tests on the host have no CPU of the kernel, and another allocator; and before a CPU's block is in use there are no
    // programs.
    if cfg!(target_os = "none") && cpu::are_known() {
        cpu::this().local().set_aside.reserve(allocate)
    } else {
        allocate()
    }
}

/// Has the next allocation served.
#[inline(always)]
fn promise() -> Result<(), OutOfHeap> {
    // Tests on the host have no CPU of the kernel, and another allocator.
    if cfg!(target_os = "none") { cpu::this().local().set_aside.promise() } else { Ok(()) }
}
