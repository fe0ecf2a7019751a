//! Which locks a CPU holds: one bit for each rank, in a word that only this CPU writes.
//!
//! It answers three questions: whether a lock may be taken now, whether this CPU may wait for another, and, after a failure, whether the code
//! that failed held a lock, which nobody would ever let go. The check costs two instructions for each lock and is in every kernel, so
//! that what is tested is what is shipped.

use super::graph;
use super::rank::{ALL, Rank};

/// Notes that a lock is about to be taken, for which this CPU may have to wait.
///
/// # Panics
/// If the CPU holds one of the same rank, or of a later one.
#[inline(always)]
pub(super) fn note_in_order<R: Rank>() {
    word::add_highest::<R>();
}

/// Notes that a lock is about to be taken, if it is free: that may be done in any order. `false` if the CPU holds one of this rank.
#[inline(always)]
pub(super) fn note<R: Rank>() -> bool {
    let free = word::get() & 1 << R::PLACE == 0;
    if free {
        word::add::<R>();
    }
    free
}

/// Notes that a lock was let go, or not had.
#[inline(always)]
pub(super) fn forget<R: Rank>() {
    word::remove::<R>();
}

/// This CPU is about to wait for another one, or to do what may end a thread or a program: nobody must need to wait for this one.
///
/// # Panics
/// If it holds a lock. `what` says what it was about to do.
#[inline(always)]
pub fn assert_no_locks_held(what: &'static str) {
    if word::get() != 0 {
        still_held(what);
    }
}

/// The machine ends: locks are broken, so the order is void from here on, on this CPU.
pub fn give_up_order() {
    word::clear();
}

fn latest_held() -> &'static str {
    let place = word::get().checked_ilog2();
    place.and_then(|place| ALL.get(place as usize)).map_or("nothing", |row| row.name)
}

/// This CPU is about to wait for a lock of the rank at `place`, and holds one of the same rank or of a later one, or any while the
/// order is recorded.
///
/// # Panics
/// If that is out of order.
#[cold]
#[inline(never)]
pub(super) fn not_highest(place: u32) {
    let held = word::get();
    if held < 1 << place {
        graph::note(place, held);
    } else {
        out_of_order(place);
    }
}

fn out_of_order(place: u32) -> ! {
    let held = latest_held();
    give_up_order();
    let wanted = ALL.get(place as usize).map_or("?", |row| row.name);
    panic!("lock order: {wanted} was to be taken while {held} is held")
}

#[cold]
#[inline(never)]
fn still_held(what: &str) -> ! {
    let held = latest_held();
    give_up_order();
    panic!("lock order: {what} while {held} is held")
}

/// The word itself.
#[cfg(target_os = "none")]
mod word {
    use super::Rank;

    #[inline(always)]
    pub(super) fn add_highest<R: Rank>() {
        // SAFETY: kernel code runs with the GS base of its CPU's block, or of the early block.
        unsafe { percpu::hold_highest_lock::<R>() };
    }

    #[inline(always)]
    pub(super) fn add<R: Rank>() {
        // SAFETY: as above: the GS base is the kernel's own.
        unsafe { percpu::hold_lock::<R>() };
    }

    #[inline(always)]
    pub(super) fn remove<R: Rank>() {
        // SAFETY: as above: the GS base is the kernel's own.
        unsafe { percpu::let_lock_go::<R>() };
    }

    #[inline(always)]
    pub(super) fn get() -> u32 {
        // SAFETY: as above: the GS base is the kernel's own.
        unsafe { percpu::held_locks() }
    }

    pub(super) fn clear() {
        // SAFETY: as above: the GS base is the kernel's own.
        unsafe { percpu::forget_held_locks() };
    }
}

/// On the host each thread stands for a CPU.
#[cfg(all(not(target_os = "none"), test))]
mod word {
    use core::cell::Cell;

    use super::Rank;

    std::thread_local! { static WORD: Cell<u32> = const { Cell::new(0) }; }

    pub(super) fn add_highest<R: Rank>() {
        // As if the order were recorded.
        if get() != 0 {
            super::not_highest(R::PLACE);
        }
        add::<R>();
    }

    pub(super) fn add<R: Rank>() {
        WORD.set(WORD.get() | 1 << R::PLACE);
    }

    pub(super) fn remove<R: Rank>() {
        WORD.set(WORD.get() & !(1 << R::PLACE));
    }

    pub(super) fn get() -> u32 {
        WORD.get()
    }

    pub(super) fn clear() {
        WORD.set(0);
    }
}

/// In tests of other crates nothing is noted.
#[cfg(all(not(target_os = "none"), not(test)))]
mod word {
    use super::Rank;

    pub(super) const fn add_highest<R: Rank>() {}

    pub(super) const fn add<R: Rank>() {}

    pub(super) const fn remove<R: Rank>() {}

    pub(super) const fn get() -> u32 {
        0
    }

    pub(super) const fn clear() {}
}
