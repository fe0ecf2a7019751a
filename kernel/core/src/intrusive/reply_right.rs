//! The right to reply, one shot: it lies in the server, owns the client, and goes to whoever takes it out first.
//!
//! The client knows its server by a [`Link`], which is set before the right is given and cleared by whoever takes it, so
//! that no client ever points to a server that may be gone.

use alloc::sync::Arc;
use core::ptr;

use gatehouse_abi::TrapNumber;

use super::link::{Link, Linked, Stable};
use crate::atomic::{AtomicPtr, Ordering};

/// What the reply is owed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Owed {
    /// A call, or a fault that is no breakpoint.
    Answer = 0,
    /// A breakpoint, a step or a watchpoint: whoever clears breakpoints may take it away from the debugger.
    Breakpoint = 1,
}

impl Owed {
    /// What the reply to a fault is owed for.
    #[must_use]
    #[inline(always)]
    pub const fn for_fault(number: TrapNumber) -> Self {
        if number.is_breakpoint() { Self::Breakpoint } else { Self::Answer }
    }
}

/// Whoever can owe a reply and be owed one.
pub trait Party: Linked + Sized {
    /// Whom it owes.
    fn reply_right(&self) -> &ReplyRight<Self>;

    /// By whom it is owed.
    fn server(&self) -> &Link<Self>;
}

/// The client that a server owes a reply, if any. Taking it is one atomic exchange, so of a server that answers, one that
/// goes, and somebody who ends the wait from outside, exactly one becomes the client's owner. The word says what the reply is
/// owed for, too, so that the exchange decides about both; nothing that was taken is ever put back.
#[derive(Debug)]
pub struct ReplyRight<T>(AtomicPtr<T>);

impl<T: Party> ReplyRight<T> {
    /// No reply is owed.
    #[must_use]
    pub fn none() -> Self {
        const { assert!(align_of::<T>() > Owed::Breakpoint as usize, "the lowest bit says what is owed") }
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    fn word(client: *const T, owed: Owed) -> *mut T {
        client.cast_mut().map_addr(|address| address | owed as usize)
    }

    fn client_in(word: *mut T) -> *const T {
        word.map_addr(|address| address & !(Owed::Breakpoint as usize))
    }

    /// The client, alive as long as nobody takes it; null for none.
    #[must_use]
    pub fn client(&self) -> *const T {
        Self::client_in(self.0.load(Ordering::Acquire))
    }

    /// Whether no reply is owed; out of date at once, but for the server's owner, if it is so.
    #[must_use]
    #[inline(always)]
    pub fn is_none(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null()
    }

    /// Takes the client: whoever calls this owns it, and it points to its server no longer.
    #[must_use]
    #[inline(always)]
    pub fn take(&self) -> Option<Arc<T>> {
        let word = self.0.swap(ptr::null_mut(), Ordering::AcqRel);
        if word.is_null() {
            return None;
        }
        let client = Self::client_in(word);
        // SAFETY: the word comes from `owe`, which put an owner's pointer in, and the exchange gives it to one taker only.
        unsafe { (*client).server().clear() };
        // SAFETY: as above.
        Some(unsafe { Arc::from_raw(client) })
    }

    /// Takes `client` if it is the one that a reply is owed to, and for that.
    fn take_owed(&self, client: &T, owed: Owed) -> Option<Arc<T>> {
        let wanted = Self::word(client, owed);
        self.0.compare_exchange(wanted, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed).ok()?;
        client.server().clear();
        // SAFETY: as in `take`: the exchange has taken out what `owe` put in.
        Some(unsafe { Arc::from_raw(client) })
    }
}

/// Makes `server` owe a reply to `client`, which the caller owns. It owes none yet: if it does, that client is never freed. Only
/// by the server's owner.
#[inline(always)]
pub fn owe<T: Party>(server: &T, client: Arc<T>, owed: Owed) {
    let right = server.reply_right();
    debug_assert!(right.is_none());
    client.server().set(server);
    right.0.store(ReplyRight::word(Arc::into_raw(client), owed), Ordering::Release);
}

/// Takes a client away from whoever owes it a reply: the caller owns it then. `None` if nobody does, or somebody else takes it.
#[must_use]
pub fn take_client<T: Party>(client: &T, stable: &impl Stable) -> Option<Arc<T>> {
    let right = client.server().follow(stable)?.reply_right();
    right.take_owed(client, Owed::Answer).or_else(|| right.take_owed(client, Owed::Breakpoint))
}

/// The same for a client that stands at a breakpoint, and for no other.
#[must_use]
pub fn take_client_at_breakpoint<T: Party>(client: &T, stable: &impl Stable) -> Option<Arc<T>> {
    client.server().follow(stable)?.reply_right().take_owed(client, Owed::Breakpoint)
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
