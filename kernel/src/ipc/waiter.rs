//! Threads as what waits at endpoints.

use gatehouse_core::intrusive::{Turn, Waiter};

use crate::thread::{QueueAdapter, SenderAdapter, Thread, Wait};

/// Who waits at an endpoint.
pub(super) type Queues = gatehouse_core::intrusive::Queues<Thread>;

// SAFETY: a thread is among senders if its link is in a tree of them, and nothing else uses that link.
unsafe impl Waiter for Thread {
    type Adapter = QueueAdapter;
    type Senders = SenderAdapter;

    #[inline(always)]
    fn priority(&self) -> u8 {
        self.priority()
    }

    fn set_turn(&self, turn: Turn) {
        self.turn().set(turn);
    }

    fn is_sender(&self) -> bool {
        self.is_among_senders()
    }

    #[inline(always)]
    fn sends_fault(&self) -> bool {
        self.wait() == Wait::ToSendFault
    }

    #[inline(always)]
    fn leave(&self) {
        self.endpoint().clear();
    }
}
