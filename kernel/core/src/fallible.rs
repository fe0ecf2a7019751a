//! Growth that can be refused.
//!
//! The allocator's owner says with [`serve_by`] how memory is asked for; before that, and on the host, the allocator is asked
//! directly.

use alloc::collections::{TryReserveError, VecDeque};
use alloc::vec::Vec;
use core::fmt;

use gatehouse_abi::Error;
use spin::Once;

/// The kernel heap is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfHeap;

impl fmt::Display for OutOfHeap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the kernel heap is full")
    }
}

impl core::error::Error for OutOfHeap {}

impl From<OutOfHeap> for Error {
    fn from(_: OutOfHeap) -> Self {
        Self::OutOfMemory
    }
}

/// Runs what allocates, at most once, or refuses to.
pub type Server = fn(&mut dyn FnMut() -> Result<(), OutOfHeap>) -> Result<(), OutOfHeap>;

static SERVER: Once<Server> = Once::new();

/// Has all growth from now on run by `server`. Counts once; later calls change nothing.
pub fn serve_by(server: Server) {
    SERVER.call_once(|| server);
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
#[inline]
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
#[inline]
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
#[inline]
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
#[inline]
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
pub fn growth(mut grow: impl FnMut() -> Result<(), TryReserveError>) -> Result<(), OutOfHeap> {
    serve(&mut || grow().map_err(|_| OutOfHeap))
}

fn serve(allocate: &mut dyn FnMut() -> Result<(), OutOfHeap>) -> Result<(), OutOfHeap> {
    match SERVER.get() {
        Some(server) => server(allocate),
        None => allocate(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::vec;

    use super::*;

    std::thread_local! {
        /// How often this thread's growth was asked for, and whether it is refused.
        static ASKED: Cell<u32> = const { Cell::new(0) };
        static REFUSES: Cell<bool> = const { Cell::new(false) };
    }

    fn server(allocate: &mut dyn FnMut() -> Result<(), OutOfHeap>) -> Result<(), OutOfHeap> {
        ASKED.set(ASKED.get() + 1);
        if REFUSES.get() { Err(OutOfHeap) } else { allocate() }
    }

    #[test]
    fn the_server_is_asked_for_growth_and_for_nothing_else() {
        serve_by(server);
        serve_by(|_| Err(OutOfHeap));
        let mut all = vec::Vec::new();
        for number in 0..100 {
            let had_room = all.len() < all.capacity();
            let before = ASKED.get();
            assert_eq!(push(&mut all, number), Ok(()));
            assert_eq!(ASKED.get() - before, u32::from(!had_room));
        }
        let before = ASKED.get();
        let (more, len) = (all.capacity() - all.len(), all.len());
        assert_eq!((reserve(&mut all, more), reserve_exact(&mut all, more), all.len()), (Ok(()), Ok(()), len));
        assert_eq!(ASKED.get(), before, "there was room");
        assert_eq!(reserve_exact(&mut all, more + 1), Ok(()));
        assert_eq!((ASKED.get(), all.capacity() - all.len()), (before + 1, more + 1));
        let mut ends = VecDeque::new();
        assert_eq!(reserve_ends(&mut ends, 3), Ok(()));
        assert_eq!(ASKED.get(), before + 2);
        assert_eq!(reserve_ends(&mut ends, 3), Ok(()));
        assert_eq!(ASKED.get(), before + 2);
        ends.push_back(1);
        assert_eq!(filled(7_u8, 5), Ok(vec![7; 5]));
    }

    #[test]
    fn what_is_refused_has_changed_nothing() {
        serve_by(server);
        let mut all = vec![1, 2, 3];
        all.shrink_to_fit();
        let mut ends = VecDeque::<u8>::new();
        REFUSES.set(true);
        assert_eq!(push(&mut all, 4), Err(OutOfHeap));
        assert_eq!((reserve(&mut all, 1), reserve_exact(&mut all, 1)), (Err(OutOfHeap), Err(OutOfHeap)));
        assert_eq!(reserve_ends(&mut ends, 1), Err(OutOfHeap));
        assert_eq!(filled(0_u8, 1), Err(OutOfHeap));
        assert_eq!(filled(0_u8, 0), Ok(vec![]));
        assert_eq!(all, [1, 2, 3]);
        REFUSES.set(false);
        assert_eq!(reserve(&mut all, usize::MAX), Err(OutOfHeap), "no allocator has that");
        assert_eq!(Error::from(OutOfHeap), Error::OutOfMemory);
    }
}
