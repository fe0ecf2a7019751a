//! How far a long call is.
//!
//! A call that can take long does a piece of its work, then has the thread make it again, with interrupts on in between: the
//! kernel never keeps them off for longer than a piece takes. What is left to do is in the register of the call's number, and
//! nowhere else. So nothing has to be taken back when the thread ends or does something else instead.
//!
//! A program can write such a register itself. It thereby claims to have done a part of the call, which harms nobody: each piece
//! checks its arguments and rights anew, and does what the program could have asked for by other calls.

use gatehouse_abi::{Error, SystemCall};

/// The upper 16 bits of the register. No call's number has them, and no error.
const MARK: u64 = 0x4748;

/// What was done of a call, and what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// What the next piece does.
    pub stage: Stage,
    /// How far that is. Most often pages; see the stage.
    pub done: u16,
    /// What the call will answer of it. Most often pages.
    pub count: u16,
}

/// What a piece of a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Begins; or what there is only one kind of.
    Work,
    /// Maps pages, once it is known that nothing is in their way.
    Map,
    /// Takes the first `done` pages away again, since memory did not suffice for all.
    UndoForMemory,
    /// The same, since a page that another thread has mapped meanwhile is in the way.
    UndoForPage,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Work, Self::Map, Self::UndoForMemory, Self::UndoForPage];
}

impl Progress {
    /// Nothing is done yet.
    pub const NONE: Self = Self { stage: Stage::Work, done: 0, count: 0 };

    /// What the register of the call's number becomes.
    pub const fn to_register(self, call: SystemCall) -> u64 {
        MARK << 48 | (call as u64) << 40 | (self.stage as u64) << 32 | (self.count as u64) << 16 | self.done as u64
    }

    /// What a register says that no call's number is in. Any value is allowed.
    pub fn from_register(value: u64) -> Option<(SystemCall, Self)> {
        let call = SystemCall::from_number(value >> 40 & 0xff).filter(|_| value >> 48 == MARK)?;
        let stage = *Stage::ALL.get((value >> 32 & 0xff) as usize)?;
        Some((call, Self { stage, done: value as u16, count: (value >> 16) as u16 }))
    }
}

/// What a piece of a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The call is done and answers this.
    Done(u64),
    /// There is more to do.
    More(Progress),
}

/// What came of a piece of a call.
pub(super) type PieceResult = Result<Piece, Error>;

#[cfg(test)]
mod tests {
    use gatehouse_abi::{Error, SystemCall};
    use proptest::prelude::*;

    use super::{Progress, Stage};

    #[test]
    fn no_number_and_no_answer_looks_like_progress() {
        for call in SystemCall::ALL {
            assert_eq!(Progress::from_register(call as u64), None);
            for stage in Stage::ALL {
                let progress = Progress { stage, done: u16::MAX, count: 0x1234 };
                let register = progress.to_register(call);
                assert_eq!(Progress::from_register(register), Some((call, progress)));
                assert_eq!(SystemCall::from_number(register), None);
            }
        }
        assert_eq!(Progress::from_register(Error::OutOfMemory.to_register()), None);
        assert_eq!(Progress::from_register(u64::MAX), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(value in any::<u64>(), marked in any::<bool>()) {
            let value = if marked { value & 0x0000_7fff_ffff_ffff | super::MARK << 48 } else { value };
            if let Some((call, progress)) = Progress::from_register(value) {
                prop_assert_eq!(progress.to_register(call), value);
            }
        }
    }
}
