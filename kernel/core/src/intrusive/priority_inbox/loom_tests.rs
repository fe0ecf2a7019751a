//! Every interleaving of CPUs that put things of two priorities and of the owner that takes one after another.

use core::ptr;

use loom::sync::Arc as Shared;
use loom::thread;

use super::*;
use crate::atomic::AtomicPtr;

#[derive(Debug)]
struct Entry {
    number: usize,
    next: AtomicPtr<Self>,
}

// SAFETY: nothing else uses the link, and the tests put each entry in once.
unsafe impl InboxEntry for Entry {
    fn next_link(&self) -> &AtomicPtr<Self> {
        &self.next
    }
}

fn entry(number: usize) -> Arc<Entry> {
    Arc::new(Entry { number, next: AtomicPtr::new(ptr::null_mut()) })
}

/// Takes all from the floor up.
fn take(inbox: &PriorityInbox<Entry>, floor: u8, taken: &mut Vec<usize>) {
    while let Some((priority, entry)) = inbox.take(floor) {
        assert!(priority >= floor && usize::from(priority) == entry.number % LANES);
        taken.push(entry.number);
    }
}

/// Who puts tells the owner afterwards, so the owner looks once more then: whatever it did meanwhile, it finds the rest, and is told
/// that there is something.
fn nothing_is_lost(putters: &'static [&'static [usize]], floor: u8) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let inbox = Shared::new(PriorityInbox::<Entry>::new());
        let threads: Vec<_> = putters
            .iter()
            .map(|numbers| {
                let inbox = Shared::clone(&inbox);
                thread::spawn(move || {
                    numbers.iter().for_each(|number| inbox.put((number % LANES) as u8, entry(*number)));
                })
            })
            .collect();
        let mut taken = Vec::new();
        take(&inbox, floor, &mut taken);
        threads.into_iter().for_each(|thread| thread.join().expect("it puts"));
        let mut all: Vec<usize> = putters.iter().copied().flatten().copied().collect();
        assert!(taken.len() == all.len() || inbox.has_any(0), "there is more, and nobody would look");
        let urgent_left = all.iter().any(|number| number % LANES == 1 && !taken.contains(number));
        assert!(!urgent_left || inbox.has_any(1));
        let mut rest = Vec::new();
        take(&inbox, 0, &mut rest);
        assert!(rest.is_sorted_by_key(|number| core::cmp::Reverse(number % LANES)), "the most urgent first: {rest:?}");
        taken.extend(rest);
        taken.sort_unstable();
        all.sort_unstable();
        assert_eq!(taken, all);
    });
}

#[test]
fn loom_of_one_priority_nothing_is_lost() {
    nothing_is_lost(&[&[0], &[2]], 0);
}

#[test]
fn loom_of_two_priorities_nothing_is_lost() {
    nothing_is_lost(&[&[0, 2], &[1]], 0);
}

#[test]
fn loom_what_is_below_the_floor_waits() {
    nothing_is_lost(&[&[0, 1], &[3]], 1);
}
