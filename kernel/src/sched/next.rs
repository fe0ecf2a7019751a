//! What a handler answers.

/// Whether the interrupted context goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "somebody must run next"]
pub enum Next {
    /// It does.
    Stay,
    /// Whoever the run queue says; the interrupted thread, if it can still run, has been queued.
    Choose,
}

impl Next {
    /// Both of two events: one that asks for a choice is enough.
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Stay, Self::Stay) => Self::Stay,
            _ => Self::Choose,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Next::{Choose, Stay};

    #[test]
    fn one_choice_is_enough() {
        assert_eq!(
            [Stay.and(Stay), Stay.and(Choose), Choose.and(Stay), Choose.and(Choose)],
            [Stay, Choose, Choose, Choose]
        );
    }
}
