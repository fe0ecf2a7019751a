//! What a handler answers.

use crate::arch::Frame;

/// Whether the interrupted context goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "somebody must run next"]
pub enum Next {
    /// It does.
    Stay,
    /// The thread that this CPU has been switched to, through this frame of its; or the idle loop.
    Switched(*const Frame),
    /// Whoever the run queue says; the interrupted thread, if it can still run, has been queued.
    Choose,
}

impl Next {
    /// Both of two events: one that asks for a choice is enough.
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Choose, _) | (_, Self::Choose) => Self::Choose,
            (Self::Stay, Self::Stay) => Self::Stay,
            (_, Self::Switched(frame)) | (Self::Switched(frame), _) => Self::Switched(frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Next::{Choose, Stay, Switched};

    #[test]
    fn one_choice_is_enough_and_the_last_switch_is_kept() {
        let [first, last] = [Switched(core::ptr::without_provenance(16)), Switched(core::ptr::without_provenance(32))];
        assert_eq!([Stay.and(Stay), Stay.and(Choose), Choose.and(Stay)], [Stay, Choose, Choose]);
        assert_eq!([Stay.and(first), first.and(Stay), first.and(Choose)], [first, first, Choose]);
        assert_eq!([Choose.and(first), first.and(last)], [Choose, last]);
    }
}
