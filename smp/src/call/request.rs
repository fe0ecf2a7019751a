//! A request: one operation, and how far each target is with it.

use alloc::boxed::Box;

use crate::atomic::{AtomicU8, AtomicUsize, Ordering};

/// How far a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Progress {
    Posted = 0,
    Running = 1,
    Done = 2,
    Cancelled = 3,
}

/// One operation for several targets, which are known by their position in the list of targets.
#[derive(Debug)]
pub(super) struct Request<O> {
    operation: O,
    progress: Box<[AtomicU8]>,
    /// Targets that are neither done nor cancelled.
    open: AtomicUsize,
}

impl<O> Request<O> {
    pub(super) fn new(operation: O, targets: usize) -> Self {
        let progress = (0..targets).map(|_| AtomicU8::new(Progress::Posted as u8)).collect();
        Self { operation, progress, open: AtomicUsize::new(targets) }
    }

    /// Runs the operation for a target, unless it was cancelled or run before; tells whether it ran.
    pub(super) fn perform(&self, position: usize, run: impl FnOnce(&O)) -> bool {
        if !self.advance(position, Progress::Posted, Progress::Running) {
            return false;
        }
        run(&self.operation);
        // Both publish what the operation did: the caller reads the one or the other. The count is a
        // read-modify-write, so its last value publishes what all targets did.
        self.progress[position].store(Progress::Done as u8, Ordering::Release);
        self.open.fetch_sub(1, Ordering::Release);
        true
    }

    /// Tells whether no target is open. What the targets did is visible then.
    pub(super) fn is_finished(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Cancels the request for a target, if it has not begun. Tells how far the target is.
    pub(super) fn cancel(&self, position: usize) -> Progress {
        if self.advance(position, Progress::Posted, Progress::Cancelled) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Progress::Cancelled;
        }
        match self.progress[position].load(Ordering::Acquire) {
            done if done == Progress::Done as u8 => Progress::Done,
            cancelled if cancelled == Progress::Cancelled as u8 => Progress::Cancelled,
            _ => Progress::Running,
        }
    }

    fn advance(&self, position: usize, from: Progress, to: Progress) -> bool {
        let progress = &self.progress[position];
        progress.compare_exchange(from as u8, to as u8, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_target_runs_once() {
        let request = Request::new(5, 1);
        let mut sum = 0;
        assert!(!request.is_finished());
        assert!(request.perform(0, |number| sum += number));
        assert!(!request.perform(0, |number| sum += number));
        assert_eq!(sum, 5);
        assert!(request.is_finished());
        assert_eq!(request.cancel(0), Progress::Done);
    }

    #[test]
    fn a_cancelled_target_never_runs() {
        let request = Request::new((), 2);
        assert_eq!(request.cancel(0), Progress::Cancelled);
        assert_eq!(request.cancel(0), Progress::Cancelled);
        assert!(!request.perform(0, |()| panic!("cancelled")));
        assert!(!request.is_finished());
        assert!(request.perform(1, |()| assert_eq!(request.cancel(1), Progress::Running)));
        assert!(request.is_finished());
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    #[test]
    fn what_the_targets_did_is_visible_when_all_are_done() {
        loom::model(|| {
            let request = Arc::new(Request::new([AtomicUsize::new(0), AtomicUsize::new(0)], 2));
            let targets: std::vec::Vec<_> = [0, 1]
                .into_iter()
                .map(|position| {
                    let request = Arc::clone(&request);
                    thread::spawn(move || {
                        request.perform(position, |cells| cells[position].store(7, Ordering::Relaxed))
                    })
                })
                .collect();
            if request.is_finished() {
                assert!(request.operation.iter().all(|cell| cell.load(Ordering::Relaxed) == 7));
            }
            for target in targets {
                assert!(target.join().unwrap());
            }
            assert!(request.is_finished());
        });
    }

    #[test]
    fn cancelling_and_running_never_both_win() {
        loom::model(|| {
            let request = Arc::new(Request::new(AtomicUsize::new(0), 1));
            let target = {
                let request = Arc::clone(&request);
                thread::spawn(move || request.perform(0, |cell| cell.store(7, Ordering::Relaxed)))
            };
            let progress = request.cancel(0);
            if progress == Progress::Done {
                assert_eq!(request.operation.load(Ordering::Relaxed), 7);
            }
            let ran = target.join().unwrap();
            assert_eq!(ran, progress != Progress::Cancelled);
            assert!(request.is_finished());
        });
    }
}
