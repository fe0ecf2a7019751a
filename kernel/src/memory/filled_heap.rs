//! A heap that is full on purpose, for tests of what becomes of programs then.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::heap;
use crate::sync::{Mutex, rank};

/// What stands at the beginning of each block that only fills.
struct Filler {
    next: Option<NonNull<Filler>>,
    layout: Layout,
}

/// The newest of the blocks.
struct Fillers(Option<NonNull<Filler>>);

// SAFETY: the blocks belong to whoever has the list.
unsafe impl Send for Fillers {}

static FILLERS: Mutex<Fillers, rank::Fillers> = Mutex::new(Fillers(None));

/// The largest block, in bytes; then come those of half as many, down to the size of a [`Filler`].
const LARGEST: usize = 1 << 20;

/// Takes all that the heap has and lets it grow no more. What is freed afterwards can be had again.
pub fn fill() {
    heap::stop_growing(true);
    let mut fillers = FILLERS.lock();
    let mut size = LARGEST;
    while size >= size_of::<Filler>() {
        let Ok(layout) = Layout::from_size_align(size, align_of::<Filler>()) else { return };
        while let Some(block) = heap::take_block(layout, || ()) {
            let block = block.cast::<Filler>();
            // SAFETY: the block is this function's, large enough and aligned.
            unsafe { block.write(Filler { next: fillers.0, layout }) };
            fillers.0 = Some(block);
        }
        size /= 2;
    }
}

/// Gives back what [`fill`] has taken.
pub fn empty() {
    heap::stop_growing(false);
    let mut fillers = FILLERS.lock();
    while let Some(block) = fillers.0 {
        // SAFETY: `fill` wrote it, and nobody else knows the block.
        let Filler { next, layout } = unsafe { block.read() };
        fillers.0 = next;
        // SAFETY: `fill` took it with this layout.
        let _nothing = unsafe { heap::exchange_block(block.cast(), layout, None, || ()) };
    }
}
