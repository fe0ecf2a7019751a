//! What a thread that becomes ready needs besides a CPU: looked at as one word, since it is nothing as a rule.

use core::sync::atomic::{AtomicU8, Ordering};

/// Reasons not to run a thread at once that has become ready.
#[derive(Debug, Default)]
pub struct Attention(AtomicU8);

/// It is to stop. Changed under the lock of the program's life.
const STOP: u8 = 1;
/// A deadline limits its wait: it is in a timer list. Changed by the CPU of that list.
const LIMIT: u8 = 2;

impl Attention {
    /// Whether there is none.
    #[must_use]
    #[inline(always)]
    pub fn is_nothing(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }

    /// Whether it is to stop.
    #[must_use]
    pub fn is_stop_wanted(&self) -> bool {
        self.has(STOP)
    }

    /// Sets whether it is to stop.
    pub fn want_stop(&self, wanted: bool) {
        self.put(STOP, wanted);
    }

    /// Whether its deadline ends its wait in [`crate::ipc`].
    #[must_use]
    pub fn is_wait_limited(&self) -> bool {
        self.has(LIMIT)
    }

    /// Sets whether its deadline does.
    pub fn limit_wait(&self, limited: bool) {
        self.put(LIMIT, limited);
    }

    fn has(&self, reason: u8) -> bool {
        self.0.load(Ordering::SeqCst) & reason != 0
    }

    fn put(&self, reason: u8, present: bool) {
        if present {
            self.0.fetch_or(reason, Ordering::SeqCst);
        } else if self.has(reason) {
            self.0.fetch_and(!reason, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Attention;

    #[test]
    fn reasons_do_not_disturb_each_other() {
        let attention = Attention::default();
        assert!(attention.is_nothing());
        attention.want_stop(true);
        attention.limit_wait(true);
        assert!(attention.is_stop_wanted() && attention.is_wait_limited());
        attention.want_stop(false);
        assert!(!attention.is_stop_wanted() && attention.is_wait_limited() && !attention.is_nothing());
        attention.limit_wait(false);
        attention.limit_wait(false);
        assert!(attention.is_nothing());
    }
}
