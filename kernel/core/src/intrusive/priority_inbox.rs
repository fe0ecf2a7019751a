//! Things on their way to another CPU that are looked at by the priority of whoever put them there.

use alloc::sync::Arc;

use super::{Inbox, InboxEntry};
use crate::atomic::{AtomicU64, Ordering};
use crate::sched::PRIORITIES;

/// How many inboxes there are. The model has fewer: each is several words for loom to keep the history of.
const LANES: usize = if cfg!(all(loom, test)) { 2 } else { PRIORITIES };

/// An [`Inbox`] for each priority. Any CPU puts, the owner takes one at a time, as many as it has time for.
#[derive(Debug)]
pub struct PriorityInbox<T, Link = ()> {
    /// Bit `p` is set if `inboxes[p]` may hold something.
    occupied: AtomicU64,
    inboxes: [Inbox<T, Link>; LANES],
}

impl<T: InboxEntry<Link>, Link> PriorityInbox<T, Link> {
    /// An empty inbox.
    #[cfg(not(all(loom, test)))]
    #[must_use]
    pub const fn new() -> Self {
        Self { occupied: AtomicU64::new(0), inboxes: [const { Inbox::new() }; LANES] }
    }

    /// An empty inbox. The model's words cannot be made at compile time.
    #[cfg(all(loom, test))]
    #[must_use]
    pub fn new() -> Self {
        Self { occupied: AtomicU64::new(0), inboxes: core::array::from_fn(|_| Inbox::new()) }
    }

    /// Puts an entry in, for a thread of this priority.
    pub fn put(&self, priority: u8, entry: Arc<T>) {
        let priority = usize::from(priority) % LANES;
        self.inboxes[priority].put(entry);
        // Only now: who takes clears the bit, and then looks once more.
        self.occupied.fetch_or(1 << priority, Ordering::SeqCst);
    }

    /// Takes an entry of the highest priority out, unless that is below `floor`; answers the priority, too. Only on the owning
    /// CPU.
    pub fn take(&self, floor: u8) -> Option<(u8, Arc<T>)> {
        let mut occupied = self.occupied.load(Ordering::SeqCst);
        while let Some(priority) = occupied.checked_ilog2().filter(|priority| *priority >= u32::from(floor)) {
            let bit = 1 << priority;
            let inbox = &self.inboxes[priority as usize];
            let found = inbox.take_one().or_else(|| {
                self.occupied.fetch_and(!bit, Ordering::SeqCst);
                // What was put in before the bit was cleared, with its bit set before: that bit is gone.
                let late = inbox.take_one()?;
                self.occupied.fetch_or(bit, Ordering::SeqCst);
                Some(late)
            });
            if let Some(entry) = found {
                return Some((priority as u8, entry));
            }
            occupied &= !bit;
        }
        None
    }

    /// Whether there may be entries of this priority or a higher one.
    #[must_use]
    pub fn has_any(&self, floor: u8) -> bool {
        let occupied = self.occupied.load(Ordering::SeqCst);
        occupied.checked_ilog2().is_some_and(|priority| priority >= u32::from(floor))
    }
}

impl<T: InboxEntry<Link>, Link> Default for PriorityInbox<T, Link> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::super::inbox::tests::{Entry, entry};
    use super::*;

    proptest! {
        #[test]
        fn each_entry_comes_out_once_the_most_urgent_first(
            steps in proptest::collection::vec(prop_oneof![
                (0_u8..6).prop_map(|priority| (true, priority)),
                (0_u8..7).prop_map(|floor| (false, floor)),
            ], 0..200)
        ) {
            let inbox = PriorityInbox::<Entry>::new();
            let mut model = BTreeMap::<u8, Vec<usize>>::new();
            for (number, (puts, priority)) in steps.into_iter().enumerate() {
                let highest = model.iter().rev().find(|(_, entries)| !entries.is_empty()).map(|(highest, _)| *highest);
                if puts {
                    inbox.put(priority, entry(number));
                    model.entry(priority).or_default().push(number);
                    prop_assert!(inbox.has_any(priority));
                    continue;
                }
                let expected = highest.filter(|highest| *highest >= priority);
                let taken = inbox.take(priority);
                prop_assert_eq!(taken.as_ref().map(|(priority, _)| *priority), expected);
                if let Some((priority, entry)) = taken {
                    let entries = model.entry(priority).or_default();
                    let place = entries.iter().position(|number| *number == entry.number);
                    prop_assert!(place.is_some(), "{} was not in, or came out before", entry.number);
                    place.map(|place| entries.remove(place));
                }
            }
            while inbox.take(0).is_some() {}
            prop_assert!(!inbox.has_any(0));
        }
    }

    #[test]
    fn what_several_threads_put_in_is_found_by_the_owner() {
        const EACH: usize = 2_000;
        let inbox = PriorityInbox::<Entry>::new();
        std::thread::scope(|scope| {
            for putter in 0..3 {
                let inbox = &inbox;
                scope.spawn(move || {
                    (0..EACH).for_each(|number| inbox.put((number % 2 * 63) as u8, entry(putter * EACH + number)))
                });
            }
            let mut seen = std::vec![false; 3 * EACH];
            while seen.iter().any(|seen| !seen) {
                if let Some((_, entry)) = inbox.take(0) {
                    assert!(!core::mem::replace(&mut seen[entry.number], true), "{} twice", entry.number);
                }
            }
        });
        assert!(inbox.take(0).is_none());
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
