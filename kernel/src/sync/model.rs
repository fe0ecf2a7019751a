//! The fair lock on loom's atomics: every order of what two CPUs do that wait, and of what a third does that only tries.

mod atomics {
    pub(super) use loom::sync::atomic::{AtomicU16, AtomicU32, Ordering};
    pub(super) use loom::thread::yield_now as relax;
}
#[expect(dead_code, reason = "the kernel uses the rest")]
#[path = "fair.rs"]
mod fair;

use atomics::{AtomicU16, AtomicU32};
use loom::cell::UnsafeCell;
use loom::sync::Arc;

use fair::FairLock;

fn free() -> FairLock {
    FairLock { word: AtomicU32::new(0), next: AtomicU16::new(0), first: AtomicU16::new(0) }
}

fn turns<const CPUS: usize>(own: bool, waits: [bool; CPUS]) {
    // With all switches there would be no end of it: whoever waits looks again and again.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(move || {
        let shared = Arc::new((free(), UnsafeCell::new(0)));
        let turn = |shared: Arc<(FairLock, UnsafeCell<u32>)>, waits: bool| {
            if waits {
                shared.0.lock();
            } else if !shared.0.try_lock() {
                return 0;
            }
            // SAFETY: the lock is held, which loom checks.
            shared.1.with_mut(|number| unsafe { *number += 1 });
            // SAFETY: held.
            unsafe { shared.0.unlock() };
            1
        };
        let threads = waits.map(|waits| {
            let shared = Arc::clone(&shared);
            loom::thread::spawn(move || turn(shared, waits))
        });
        let mut done = turn(Arc::clone(&shared), own);
        for thread in threads {
            done += thread.join().unwrap();
        }
        assert!(!shared.0.is_locked());
        // SAFETY: all others have ended.
        assert_eq!(shared.1.with(|number| unsafe { *number }), done);
    });
}

#[test]
fn loom_it_excludes_and_everybody_has_it() {
    turns(true, [true]);
}

#[test]
fn loom_who_tries_does_not_disturb_who_waits() {
    turns(true, [true, false]);
}
