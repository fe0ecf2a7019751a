//! Every interleaving of two CPUs that put and of the owner that takes.

use loom::cell::UnsafeCell;
use loom::sync::Arc as Shared;
use loom::thread;

use super::*;

/// A thing that belongs to whoever has it: loom finds two that touch its value without an order between them.
struct Entry {
    value: UnsafeCell<usize>,
    next: AtomicPtr<Self>,
}

// SAFETY: what the tests are about: only the owner touches the value, and loom sees to it.
unsafe impl Sync for Entry {}
// SAFETY: nothing in it is tied to a thread.
unsafe impl Send for Entry {}

// SAFETY: nothing else uses the link, and the tests put each entry in once.
unsafe impl InboxEntry for Entry {
    fn next_link(&self) -> &AtomicPtr<Self> {
        &self.next
    }
}

fn entry() -> Arc<Entry> {
    Arc::new(Entry { value: UnsafeCell::new(0), next: AtomicPtr::new(ptr::null_mut()) })
}

/// Writes what the taker must see, and puts it in.
fn put(inbox: &Inbox<Entry>, value: usize) {
    let entry = entry();
    // SAFETY: it is in nobody's hands yet.
    entry.value.with_mut(|place| unsafe { *place = value });
    inbox.put(entry);
}

fn value(entry: &Entry) -> usize {
    // SAFETY: the caller has taken it out.
    entry.value.with_mut(|place| unsafe { *place })
}

/// Two CPUs put, one of them two things; `take` is what the owner does meanwhile, and again when they are done.
fn all_come_out_once(take: fn(&Inbox<Entry>, &mut Vec<usize>)) {
    loom::model(move || {
        let inbox = Shared::new(Inbox::<Entry>::new());
        let (first, second) = (Shared::clone(&inbox), Shared::clone(&inbox));
        let putters = [
            thread::spawn(move || {
                put(&first, 1);
                put(&first, 2);
            }),
            thread::spawn(move || put(&second, 3)),
        ];
        let mut taken = Vec::new();
        let was_empty = inbox.is_empty();
        take(&inbox, &mut taken);
        assert!(was_empty || !taken.is_empty(), "what was seen stays until the owner takes it");
        putters.into_iter().for_each(|putter| putter.join().expect("it puts"));
        while !inbox.is_empty() || taken.len() < 3 {
            let before = taken.len();
            take(&inbox, &mut taken);
            assert!(taken.len() > before, "something is lost: {taken:?}");
        }
        taken.sort_unstable();
        assert_eq!(taken, [1, 2, 3]);
    });
}

#[test]
fn loom_all_that_two_put_come_out_once() {
    all_come_out_once(|inbox, taken| inbox.take_all(|entry| taken.push(value(&entry))));
}

#[test]
fn loom_one_at_a_time_all_that_two_put_come_out_once() {
    all_come_out_once(|inbox, taken| taken.extend(inbox.take_one().map(|entry| value(&entry))));
}

/// What one CPU puts comes out in its order.
#[test]
fn loom_what_one_puts_stays_in_order() {
    loom::model(|| {
        let inbox = Shared::new(Inbox::<Entry>::new());
        let other = Shared::clone(&inbox);
        let putter = thread::spawn(move || (1..=3).for_each(|value| put(&other, value)));
        let mut taken = Vec::new();
        inbox.take_all(|entry| taken.push(value(&entry)));
        putter.join().expect("it puts");
        inbox.take_all(|entry| taken.push(value(&entry)));
        assert_eq!(taken, [1, 2, 3]);
    });
}
