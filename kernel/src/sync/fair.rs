//! A spin lock that is had in the order in which it was asked for.
//!
//! As long as nobody waits it is a word that goes from 0 to 1 and back, which is as cheap as an unfair lock. Who finds it taken says so in the
//! same word, so that nobody who comes later can take it from 0, and stands in a row by a ticket. The first of the row alone looks at the
//! word and takes the lock when its holder lets go.

use super::atomics::{AtomicU16, AtomicU32, Ordering, relax};

/// The lock is held: the lowest byte of the word.
const LOCKED: u32 = 1;
/// One more waits: the other bytes.
const WAITER: u32 = 1 << 8;

/// The lock; fair, and 8 bytes large.
#[derive(Debug)]
pub struct FairLock {
    pub(super) word: AtomicU32,
    /// The ticket of the next who comes to the row.
    pub(super) next: AtomicU16,
    /// The ticket of the first in the row.
    pub(super) first: AtomicU16,
}

impl FairLock {
    /// Takes the lock if it is free and nobody waits for it.
    #[inline(always)]
    pub fn try_lock(&self) -> bool {
        self.word.compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Takes the lock, behind all who have asked for it before.
    #[inline(always)]
    pub fn lock(&self) {
        if !self.try_lock() {
            self.wait();
        }
    }

    #[cold]
    #[inline(never)]
    fn wait(&self) {
        self.word.fetch_add(WAITER, Ordering::Relaxed);
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        // The first in the row before this one has the lock by then; acquired, so that the look at the word below sees that.
        while self.first.load(Ordering::Acquire) != ticket {
            relax();
        }
        while self.word.load(Ordering::Relaxed) & LOCKED != 0 {
            relax();
        }
        // Nobody else can take it: it is not 0 for `try_lock`, and this is the first in the row.
        self.word.fetch_add(LOCKED.wrapping_sub(WAITER), Ordering::Acquire);
        self.first.store(ticket.wrapping_add(1), Ordering::Release);
    }

    /// Lets the lock go.
    ///
    /// # Safety
    /// The caller holds it.
    #[inline(always)]
    pub unsafe fn unlock(&self) {
        // A store to the lowest byte: who waits changes the others at the same time, by locked instructions, which exclude it.
        // (As an atomic of its own the byte would be a part of another atomic, which Rust has no word for.)
        #[cfg(target_os = "none")]
        // SAFETY: the word is this lock's, the caller holds it, and a store behind all earlier accesses releases on x86; the
        // compiler moves no access past this one.
        unsafe {
            core::arch::asm!("mov byte ptr [{word}], 0", word = in(reg) &raw const self.word, options(nostack, preserves_flags));
        }
        #[cfg(not(target_os = "none"))]
        self.word.fetch_and(!LOCKED, Ordering::Release);
    }

    /// Whether somebody holds it or waits for it, at this moment.
    pub fn is_locked(&self) -> bool {
        self.word.load(Ordering::Relaxed) != 0
    }

    /// Takes the lock from whoever holds it or waits for it.
    ///
    /// # Safety
    /// None of them goes on.
    pub unsafe fn steal(&self) {
        self.word.store(LOCKED, Ordering::Relaxed);
        self.first.store(self.next.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::vec::Vec;

    use super::super::raw::Lock as _;
    use super::*;

    #[test]
    fn who_waits_goes_before_who_tries() {
        let lock = FairLock::FREE;
        assert!(lock.try_lock() && !lock.try_lock());
        let had = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                lock.lock();
                had.store(true, Ordering::SeqCst);
                // SAFETY: held.
                unsafe { lock.unlock() };
            });
            while lock.word.load(Ordering::SeqCst) == LOCKED {
                std::thread::yield_now();
            }
            // SAFETY: held.
            unsafe { lock.unlock() };
            while !lock.try_lock() {
                std::thread::yield_now();
            }
            assert!(had.load(Ordering::SeqCst), "it was taken before the one who waited had it");
            // SAFETY: held.
            unsafe { lock.unlock() };
        });
        assert!(!lock.is_locked());
    }

    #[test]
    fn the_row_is_kept() {
        let lock = FairLock::FREE;
        let order = std::sync::Mutex::new(Vec::new());
        lock.lock();
        std::thread::scope(|scope| {
            for number in 0..4_u32 {
                scope.spawn({
                    let (lock, order) = (&lock, &order);
                    move || {
                        lock.lock();
                        order.lock().unwrap().push(number);
                        // SAFETY: held.
                        unsafe { lock.unlock() };
                    }
                });
                while lock.next.load(Ordering::SeqCst) != number as u16 + 1 {
                    std::thread::yield_now();
                }
            }
            // SAFETY: held.
            unsafe { lock.unlock() };
        });
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
        // Tickets go round.
        lock.next.store(u16::MAX, Ordering::SeqCst);
        lock.first.store(u16::MAX, Ordering::SeqCst);
        lock.lock();
        // SAFETY: held by a thread that does not go on, as far as this test knows.
        unsafe { lock.steal() };
        assert!(!lock.try_lock());
        // SAFETY: held.
        unsafe { lock.unlock() };
        assert!(lock.try_lock());
    }
}
