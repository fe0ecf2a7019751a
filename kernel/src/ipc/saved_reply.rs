//! Rights to reply that a server has put aside, to answer in another order or by another thread.
//!
//! The right is moved from the server's thread into an object with capabilities of its own. It can be used once. When the
//! last capability goes before, the object closes: the client gets no reply, as if the server's thread had ended.
//!
//! All moves happen under the lock of [`super::cancel`], so whoever ends the client's wait finds it in one place.

use alloc::sync::Arc;
use core::mem::offset_of;
use core::sync::atomic::AtomicUsize;

use gatehouse_abi::Error;
use gatehouse_core::intrusive::{ExitLink, Linked};

use super::cancel::{Waits, abandon, hold_waits};
use crate::cpu::ThisCpu;
use crate::object::{Close, Counted, register_object};
use crate::sync::{Mutex, rank};
use crate::thread::{OffCpu, Thread};

/// The right to reply to one client, until it is used.
#[derive(Debug)]
pub struct SavedReply {
    client: Mutex<Option<Arc<Thread>>, rank::SavedReply>,
    capabilities: AtomicUsize,
    exit_link: ExitLink<ThisCpu>,
}

impl SavedReply {
    /// No right yet, and one capability: there must be one before a client is taken.
    #[must_use]
    pub const fn new() -> Self {
        Self { client: Mutex::new(None), capabilities: AtomicUsize::new(1), exit_link: ExitLink::new() }
    }

    /// Takes over the client that the running `server` owes a reply.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it owes none.
    pub fn save(&self, server: &Thread) -> Result<(), Error> {
        let _waits = hold_waits();
        let client = server.reply_right().take().ok_or(Error::WrongState)?;
        client.saved_reply().set(self);
        *self.client.lock() = Some(client);
        Ok(())
    }

    /// Takes the client: whoever calls this owns it.
    #[must_use]
    pub fn take(&self) -> Option<Arc<Thread>> {
        self.take_stable(&hold_waits())
    }

    /// The same with the lock held.
    pub(super) fn take_stable(&self, _waits: &Waits) -> Option<Arc<Thread>> {
        self.client.lock().take().inspect(|client| client.saved_reply().clear())
    }

    /// Looks at the client with the lock held.
    pub(super) fn inspect_stable<R>(&self, _waits: &Waits, look: impl FnOnce(OffCpu<'_>) -> R) -> Option<R> {
        // SAFETY: it waits for the reply, and is taken only with the lock held.
        self.client.lock().as_deref().map(|client| look(unsafe { OffCpu::new(client) }))
    }

    /// Looks at the client: nobody can take it meanwhile.
    pub fn inspect<R>(&self, look: impl FnOnce(OffCpu<'_>) -> R) -> Option<R> {
        self.inspect_stable(&hold_waits(), look)
    }
}

impl Default for SavedReply {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: `close` gives the client up with the lock of `cancel` held, before the last reference goes; a client is taken in
// only by whoever has a capability.
unsafe impl Linked for SavedReply {}

register_object!(Counted<SavedReply>, "saved reply");

// SAFETY: the link is there, and nothing else uses it.
unsafe impl Close for SavedReply {
    const EXIT_LINK: usize = offset_of!(Self, exit_link);

    fn capabilities(&self) -> &AtomicUsize {
        &self.capabilities
    }

    fn close(&self, cpu: &ThisCpu) {
        if let Some(client) = self.take() {
            abandon(cpu, client);
        }
    }
}
