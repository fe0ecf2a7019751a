//! The inbox against a list.

use proptest::prelude::*;

use super::*;

/// An entry with a number, also for the inbox by priorities.
#[derive(Debug)]
pub(in crate::intrusive) struct Entry {
    pub number: usize,
    next: AtomicPtr<Self>,
}

// SAFETY: nothing else uses the link, and the tests put each entry in once.
unsafe impl InboxEntry for Entry {
    fn next_link(&self) -> &AtomicPtr<Self> {
        &self.next
    }
}

pub(in crate::intrusive) fn entry(number: usize) -> Arc<Entry> {
    Arc::new(Entry { number, next: AtomicPtr::default() })
}

proptest! {
    #[test]
    fn all_come_out_once_the_oldest_first(counts in prop::collection::vec(0..6_usize, 0..10)) {
        let inbox = Inbox::<Entry>::default();
        let mut numbers = 0..;
        for count in counts {
            let put: Vec<_> = numbers.by_ref().take(count).collect();
            put.iter().for_each(|number| inbox.put(entry(*number)));
            prop_assert_eq!(inbox.is_empty(), put.is_empty());
            let mut taken = Vec::new();
            inbox.take_all(|entry| taken.push(entry.number));
            prop_assert_eq!(taken, put);
            prop_assert!(inbox.is_empty() && inbox.take_one().is_none());
        }
    }

    #[test]
    fn one_at_a_time_each_comes_out_once(puts in prop::collection::vec(any::<bool>(), 0..40)) {
        let inbox = Inbox::<Entry>::new();
        let (mut inside, mut number) = (Vec::new(), 0);
        for put in puts {
            if put {
                inbox.put(entry(number));
                inside.push(number);
                number += 1;
                continue;
            }
            let taken = inbox.take_one().map(|entry| entry.number);
            prop_assert_eq!(taken.is_some(), !inside.is_empty());
            if let Some(taken) = taken {
                prop_assert!(inside.contains(&taken));
                inside.retain(|other| *other != taken);
            }
        }
        let rest = core::iter::from_fn(|| inbox.take_one()).count();
        prop_assert_eq!(rest, inside.len());
    }
}

#[test]
fn what_is_taken_is_owned() {
    let inbox = Inbox::<Entry>::new();
    let kept = entry(1);
    inbox.put(Arc::clone(&kept));
    inbox.put(entry(2));
    assert_eq!(Arc::strong_count(&kept), 2);
    inbox.take_all(drop);
    assert_eq!(Arc::strong_count(&kept), 1);
}
