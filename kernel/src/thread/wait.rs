//! What a thread waits for.

use core::fmt;

use crate::ipc::Sending;

/// What a thread waits for; the report of a kernel that cannot go on shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wait {
    /// It runs, or is ready to.
    Nothing,
    /// In an endpoint's queue, for a receiver.
    ToSend,
    /// In an endpoint's queue, for a receiver, and then for the reply.
    ToCall,
    /// In an endpoint's queue, for its fault handler to receive.
    ToSendFault,
    /// In an endpoint's queue, for a message.
    ToReceive,
    /// For the reply to its call.
    ForReply,
    /// For the reply to its fault.
    ForFaultReply,
    /// For a notification to be signalled.
    ForNotification,
    /// At a breakpoint that nobody handles, for ClearBreakpoint.
    Paused,
    /// For the disk that pages are swapped to.
    ForSwap,
}

impl fmt::Display for Wait {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Nothing => "for nothing",
            Self::ToSend => "for somebody to receive its message",
            Self::ToCall => "for somebody to receive its call",
            Self::ToSendFault => "for its handler to receive its fault",
            Self::ToReceive => "for a message",
            Self::ForReply => "for the reply to its call",
            Self::ForFaultReply => "for the reply to its fault",
            Self::ForNotification => "for a notification",
            Self::Paused => "for a debugger, at a breakpoint",
            Self::ForSwap => "for a page that is swapped out",
        })
    }
}

impl Wait {
    /// The wait for somebody to take a message.
    #[must_use]
    #[inline(always)]
    pub const fn to_send(sending: Sending) -> Self {
        match sending {
            Sending::Send => Self::ToSend,
            Sending::Call => Self::ToCall,
            Sending::Fault => Self::ToSendFault,
        }
    }

    /// The wait that follows once it is taken.
    #[must_use]
    #[inline(always)]
    pub const fn for_reply(sending: Sending) -> Self {
        match sending {
            Sending::Send => Self::Nothing,
            Sending::Call => Self::ForReply,
            Sending::Fault => Self::ForFaultReply,
        }
    }

    /// What a thread in a queue of senders is doing there.
    #[must_use]
    pub const fn sending(self) -> Option<Sending> {
        match self {
            Self::ToSend => Some(Sending::Send),
            Self::ToCall => Some(Sending::Call),
            Self::ToSendFault => Some(Sending::Fault),
            _ => None,
        }
    }
}
