//! A CPU is asked to look at a thread: whether it is to stop there, or to leave.

use crate::atomic::{AtomicU64, Ordering};

/// Nobody has asked, or it is over.
const OVER: u64 = 0;
/// The thread is in the inbox of a CPU, or is about to be put there.
const ASKED: u64 = 1;
/// The CPU looks.
const LOOKS: u64 = 2;

/// What has become of the last request. The thread is in one inbox at most, and no change that was made before a request is
/// missed by the look that comes of it.
#[derive(Debug)]
pub struct LookRequest(AtomicU64);

impl LookRequest {
    /// Nobody has asked.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self(AtomicU64::new(OVER))
    }

    /// Asks for a look. `true`: the caller puts the thread into the inbox of its CPU. `false`: it is in one, and the look is still to
    /// come.
    #[must_use]
    #[inline]
    pub fn ask(&self) -> bool {
        self.0.swap(ASKED, Ordering::SeqCst) != ASKED
    }

    /// Before the look, by the CPU that has taken the thread out of its inbox.
    #[inline]
    pub fn begin(&self) {
        // An exchange, which has its place among those of `ask`.
        self.0.swap(LOOKS, Ordering::SeqCst);
    }

    /// After the look.
    #[inline]
    pub fn end(&self) {
        let _asked_again = self.0.compare_exchange(LOOKS, OVER, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Whether all looks that were asked for are over.
    #[must_use]
    #[inline]
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst) == OVER
    }
}

impl Default for LookRequest {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::LookRequest;

    #[test]
    fn a_look_that_was_under_way_does_not_count() {
        let request = LookRequest::new();
        assert!(request.is_over());
        assert!(request.ask() && !request.ask() && !request.is_over());
        request.begin();
        assert!(!request.is_over());
        assert!(request.ask(), "it is in no inbox");
        request.end();
        assert!(!request.is_over() && !request.ask());
        request.begin();
        request.end();
        assert!(request.is_over());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicU64, Ordering};
    use loom::thread;

    use super::LookRequest;

    /// Two CPUs each make a change and ask; the third takes what is in its inbox, and looks.
    #[test]
    fn loom_no_change_is_missed_and_nothing_is_put_in_twice() {
        loom::model(|| {
            let request = Arc::new(LookRequest::new());
            let changes = Arc::new(AtomicU64::new(0));
            let inbox = Arc::new(AtomicU64::new(0));
            let askers: std::vec::Vec<_> = [1, 2]
                .into_iter()
                .map(|change| {
                    let (request, changes, inbox) = (Arc::clone(&request), Arc::clone(&changes), Arc::clone(&inbox));
                    thread::spawn(move || {
                        changes.fetch_or(change, Ordering::SeqCst);
                        if request.ask() {
                            assert_eq!(inbox.fetch_add(1, Ordering::SeqCst), 0, "it is in the inbox already");
                        }
                    })
                })
                .collect();
            let look = || {
                if inbox.load(Ordering::SeqCst) == 0 {
                    return 0;
                }
                inbox.store(0, Ordering::SeqCst);
                request.begin();
                let seen = changes.load(Ordering::SeqCst);
                request.end();
                seen
            };
            let first = look();
            askers.into_iter().for_each(|asker| asker.join().expect("it asks"));
            assert_eq!(first | look(), 3);
            assert!(request.is_over());
        });
    }
}
