//! What a timer is set to, whoever sets it: the part of a timer that several CPUs write.
//!
//! A timer fires on one CPU, its home, which alone has it in its timer list. Any CPU may set it and clear it:
//!
//! ```text
//!  any CPU                                            the home
//!  wanted.swap(moment)            what is wanted      told.swap(false)
//!  told.swap(true): was it false?                     wanted.load()
//!    then: into the home's inbox                        put the entry where it belongs
//!  kick the home, if it must look earlier than it will
//!                                                     an entry is due at `key`:
//!                                                       wanted: key → OFF (compare-exchange)?
//!                                                       then fire; else go by what is wanted now
//! ```
//!
//! `wanted` decides. Each value that is set leaves it once: by the home's compare-exchange, and then the timer fires for it, or by
//! the swap of whoever sets or clears it next, and that one learns that it was taken back. So nothing fires twice, and a timer
//! that was cleared in time does not fire. An entry in the list is a hint only: one that is out of date is found out at its
//! moment at the latest.
//!
//! Nothing is lost: who finds `told` true made its own change before that swap, and the home's swap to false, which comes later in the order
//! of that word, acquires it. So the home's look sees that change or a newer one.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use crate::atomic::{AtomicBool, AtomicU64, Ordering};

/// The value of a timer that is not set.
pub const OFF: u64 = u64::MAX;

/// What a timer is set to.
#[derive(Debug)]
pub struct Setting {
    wanted: AtomicU64,
    /// The timer is in its home's inbox, or its sender is about to put it there.
    told: AtomicBool,
}

impl Setting {
    /// Not set.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self { wanted: AtomicU64::new(OFF), told: AtomicBool::new(false) }
    }

    /// Sets it to a moment in clock ticks, or to [`OFF`]; answers whether it was set, and does not fire for that any more.
    #[inline]
    pub fn replace(&self, moment: u64) -> bool {
        self.wanted.swap(moment, Ordering::AcqRel) != OFF
    }

    /// What it is set to; out of date at once, but for the home, which is told of later changes.
    #[must_use]
    #[inline]
    pub fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// To be called after a change on a CPU that is not the home: `put` puts the timer into the home's inbox, `kick` makes
    /// the home look there. Without hurry the home is not kicked, and hears of the change when it looks for another reason.
    #[inline]
    pub fn tell_home(&self, hurry: bool, put: impl FnOnce(), kick: impl FnOnce()) {
        let mut hurry = hurry;
        if !self.told.swap(true, Ordering::AcqRel) {
            put();
            // Somebody may have set it since, found it told, and kicked before it was in the inbox. A read-modify-write, so
            // that such a setting is either seen here or comes after, and then its kick comes after the inbox was filled.
            hurry = hurry || self.wanted.fetch_or(0, Ordering::AcqRel) != OFF;
        }
        if hurry {
            kick();
        }
    }

    /// To be called by the home for a timer from its inbox, before it looks at what is wanted.
    #[inline]
    pub fn heard(&self) {
        self.told.swap(false, Ordering::AcqRel);
    }

    /// Only on the home, whose list had the timer at `moment`, which has come: whether it is to fire.
    #[must_use]
    #[inline]
    pub fn fire(&self, moment: u64) -> bool {
        self.wanted.compare_exchange(moment, OFF, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Default for Setting {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    use super::*;

    /// A timer, with the home's inbox and the interrupts under way to it reduced to counts.
    #[derive(Default)]
    struct Timer {
        setting: Setting,
        inbox: AtomicUsize,
        kicks: AtomicUsize,
    }

    impl Timer {
        /// Another CPU sets or clears it; as the kernel does, it is in a hurry only if it sets.
        fn change(&self, moment: u64) -> bool {
            let was_set = self.setting.replace(moment);
            let count = |counter: &AtomicUsize| {
                counter.fetch_add(1, Ordering::AcqRel);
            };
            self.setting.tell_home(moment != OFF, || count(&self.inbox), || count(&self.kicks));
            was_set
        }
    }

    /// The home's list, for one timer: the moment at which it stands there.
    struct Home {
        entry: Option<u64>,
        fired: std::vec::Vec<u64>,
    }

    impl Home {
        /// Takes the interrupts: without one it does not look into the inbox.
        fn look(&mut self, timer: &Timer) {
            while timer.kicks.swap(0, Ordering::AcqRel) > 0 {
                if timer.inbox.swap(0, Ordering::AcqRel) > 0 {
                    timer.setting.heard();
                    self.place(timer);
                }
            }
        }

        fn place(&mut self, timer: &Timer) {
            let wanted = timer.setting.wanted();
            self.entry = (wanted != OFF).then_some(wanted);
        }

        fn expire(&mut self, timer: &Timer, now: u64) {
            while let Some(moment) = self.entry.take_if(|moment| *moment <= now) {
                if timer.setting.fire(moment) {
                    self.fired.push(moment);
                } else {
                    self.place(timer);
                }
            }
        }
    }

    /// Two CPUs change the timer while the home, which set it to 1 first, works.
    fn model(changes: [u64; 2]) {
        loom::model(move || {
            let timer = Arc::new(Timer::default());
            let mut home = Home { entry: Some(1), fired: std::vec::Vec::new() };
            assert!(!timer.setting.replace(1));
            let changers: std::vec::Vec<_> = changes
                .into_iter()
                .map(|moment| {
                    let timer = Arc::clone(&timer);
                    thread::spawn(move || timer.change(moment))
                })
                .collect();
            home.expire(&timer, 1);
            home.look(&timer);
            home.expire(&timer, 2);
            let taken_back =
                changers.into_iter().map(|changer| changer.join().unwrap()).filter(|was_set| *was_set).count();
            // What was delivered late, and the end of time.
            home.look(&timer);
            home.expire(&timer, OFF - 1);
            let set = 1 + changes.iter().filter(|moment| **moment != OFF).count();
            assert_eq!(home.fired.len() + taken_back, set, "fired {:?}, taken back {taken_back}", home.fired);
            assert_eq!(timer.setting.wanted(), OFF);
            let mut fired = home.fired.clone();
            fired.sort_unstable();
            fired.dedup();
            assert!(fired.iter().all(|moment| *moment == 1 || changes.contains(moment)));
        });
    }

    #[test]
    fn loom_a_timer_that_is_cleared_twice_fires_or_is_taken_back() {
        model([OFF, OFF]);
    }

    #[test]
    fn loom_a_timer_that_is_cleared_and_set_elsewhere_fires_once_for_each_value_or_is_taken_back() {
        model([OFF, 3]);
    }

    #[test]
    fn loom_a_timer_that_is_set_twice_elsewhere_fires_once_for_each_value_or_is_taken_back() {
        model([2, 3]);
    }

    /// The same value again must not make an old entry fire for it and then be lost or doubled.
    #[test]
    fn loom_a_timer_that_is_set_to_the_moment_that_it_has_fires_once_for_each_value_or_is_taken_back() {
        model([1, 1]);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::cell::Cell;

    use super::*;

    #[test]
    fn it_fires_for_what_it_is_set_to_and_once() {
        let setting = Setting::default();
        assert_eq!(setting.wanted(), OFF);
        assert!(!setting.fire(5));
        assert!(!setting.replace(5), "it was not set");
        assert_eq!(setting.wanted(), 5);
        assert!(!setting.fire(4) && setting.fire(5) && !setting.fire(5));
        assert!(!setting.replace(6) && setting.replace(7) && setting.replace(OFF) && !setting.replace(OFF));
        assert!(!setting.fire(7) && setting.wanted() == OFF);
    }

    #[test]
    fn the_home_is_told_once_until_it_has_heard_and_kicked_if_there_is_hurry() {
        let setting = Setting::new();
        let (puts, kicks) = (Cell::new(0), Cell::new(0));
        let tell = |hurry| {
            setting.tell_home(hurry, || puts.set(puts.get() + 1), || kicks.set(kicks.get() + 1));
            (puts.get(), kicks.get())
        };
        assert_eq!(tell(false), (1, 0), "it is not set, and there is no hurry");
        assert_eq!(tell(true), (1, 1), "it is in the inbox already");
        assert_eq!(tell(false), (1, 1));
        setting.heard();
        assert_eq!(tell(true), (2, 2));
        setting.heard();
        setting.replace(9);
        assert_eq!(tell(false), (3, 3), "somebody has set it, who did not put it in");
        assert_eq!(tell(false), (3, 3));
    }
}
