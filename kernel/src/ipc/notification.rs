//! Notifications: words of bits that are set by signals, from anywhere, and taken by whoever waits.
//!
//! A signal never waits and needs no thread: interrupts and timers signal too. It only takes the notification's lock, and
//! what holds that lock runs with interrupts off.

use alloc::sync::Arc;
use core::mem::offset_of;
use core::sync::atomic::AtomicUsize;

use gatehouse_abi::{Error, MessageTag};
use gatehouse_core::intrusive::{ExitLink, Linked, SoleWaiter};
use intrusive_collections::LinkedList;

use super::cancel;
use super::limit;
use super::switch::block_current;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::object::{Close, Counted, register_object};
use crate::sched::{self, Next};
use crate::sync::{Mutex, rank};
use crate::thread::{OffCpu, QueueAdapter, Thread, Wait};

/// What a signal through a capability without a badge sets.
const NO_BADGE: u64 = 1;

/// Bits that were signalled and not yet taken, or threads that wait for some.
#[derive(Debug)]
pub struct Notification {
    pub(super) state: Mutex<State, rank::Notification>,
    capabilities: AtomicUsize,
    exit_link: ExitLink<ThisCpu>,
}

/// Whoever waited for a signal that has come, not yet woken.
#[derive(Debug)]
#[must_use = "a thread may wait to be woken"]
pub struct Signalled(Option<Arc<Thread>>);

impl Signalled {
    /// Nobody.
    pub const NOBODY: Self = Self(None);

    /// Wakes the thread. With no lock held that is taken by whoever wakes or ends a thread.
    pub fn wake(self, cpu: &ThisCpu) -> Next {
        self.0.map_or(Next::Stay, |waiter| sched::wake(cpu, waiter))
    }
}

/// Either there are bits, or there are waiters, or neither.
pub(super) struct State {
    bits: u64,
    /// A waiter that waits alone is here and not in the list.
    pub(super) sole: SoleWaiter<Thread>,
    waiters: LinkedList<QueueAdapter>,
    /// Cleared with the last capability.
    open: bool,
}

impl State {
    /// The thread that has waited longest.
    fn take_waiter(&mut self) -> Option<Arc<Thread>> {
        let waiter = match self.sole.take() {
            None => {
                let waiter = self.waiters.pop_front()?;
                self.sole.set_others(!self.waiters.is_empty());
                waiter
            }
            sole => sole?,
        };
        waiter.notification().clear();
        Some(waiter)
    }

    /// Puts a thread behind all others.
    fn push_waiter(&mut self, waiter: Arc<Thread>) {
        if self.sole.is_nobody() {
            self.sole.set(waiter);
            return;
        }
        if let Some(sole) = self.sole.take() {
            self.waiters.push_back(sole);
        }
        self.waiters.push_back(waiter);
        self.sole.set_others(true);
    }

    /// Takes a thread out that waits.
    ///
    /// # Safety
    /// It waits here, and not at another notification.
    unsafe fn remove(&mut self, thread: &Thread) -> Option<Arc<Thread>> {
        if self.sole.get().is_some_and(|sole| core::ptr::eq(sole, thread)) {
            return self.take_waiter();
        }
        thread.notification().clear();
        // SAFETY: it waits here and is not alone, so it is in the list.
        let removed = unsafe { self.waiters.cursor_mut_from_ptr(thread) }.remove();
        self.sole.set_others(!self.waiters.is_empty());
        removed
    }
}

impl core::fmt::Debug for State {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let waiters = self.waiters.iter().count().saturating_add(usize::from(self.sole.get().is_some()));
        write!(out, "State({waiters} waiters, bits: {:#x}, open: {})", self.bits, self.open)
    }
}

impl Notification {
    /// A notification with one capability and no bits.
    #[must_use]
    pub fn new() -> Self {
        let state =
            State { bits: 0, sole: SoleWaiter::default(), waiters: LinkedList::new(QueueAdapter::new()), open: true };
        Self { state: Mutex::new(state), capabilities: AtomicUsize::new(1), exit_link: ExitLink::new() }
    }

    /// Sets the bits of a badge (0 counts as 1). The thread that has waited longest gets all bits that are set. May be
    /// called by interrupt handlers, but not by those of NMI and machine check; with no lock held that others want who wake
    /// threads: else [`Self::set`] is for the locked part.
    pub fn signal(&self, cpu: &ThisCpu, badge: u64) -> Next {
        self.set(badge).wake(cpu)
    }

    /// The same but for the waking.
    pub fn set(&self, badge: u64) -> Signalled {
        let mut state = self.state.lock();
        let Some(waiter) = state.take_waiter() else {
            state.bits |= bits_of(badge);
            return Signalled(None);
        };
        // SAFETY: it was in the list of waiters, and has just been taken from there.
        hand_bits(unsafe { OffCpu::new(&waiter) }, bits_of(badge));
        waiter.set_wait(Wait::Nothing);
        Signalled(Some(waiter))
    }

    /// Takes a thread out that may be waiting here.
    pub(super) fn remove(&self, thread: &Thread) -> Option<Arc<Thread>> {
        let mut state = self.state.lock();
        if !thread.notification().leads_to(self) {
            return None;
        }
        // SAFETY: the link is changed under the lock held here: the thread is among these waiters.
        unsafe { state.remove(thread) }
    }
}

impl Default for Notification {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: `close` empties the list of waiters with the lock of `cancel` held, before the last reference goes, and nobody waits
// at a notification that is not open.
unsafe impl Linked for Notification {}

register_object!(Counted<Notification>, "notification");

// SAFETY: the link is there, and nothing else uses it.
unsafe impl Close for Notification {
    const EXIT_LINK: usize = offset_of!(Self, exit_link);

    fn capabilities(&self) -> &AtomicUsize {
        &self.capabilities
    }

    fn close(&self, cpu: &ThisCpu) {
        let mut waiters = LinkedList::new(QueueAdapter::new());
        {
            let _waits = cancel::hold_waits();
            let mut state = self.state.lock();
            state.open = false;
            while let Some(waiter) = state.take_waiter() {
                waiters.push_back(waiter);
            }
        }
        while let Some(waiter) = waiters.pop_front() {
            cancel::abandon(cpu, waiter);
        }
    }
}

/// What a signal through a capability with this badge sets.
#[inline(always)]
pub(super) const fn bits_of(badge: u64) -> u64 {
    if badge == 0 { NO_BADGE } else { badge }
}

/// The answer to a thread that waited: a message without words, whose badge are the bits.
#[inline(always)]
pub(super) fn hand_bits(mut waiter: OffCpu<'_>, bits: u64) {
    waiter.frame_mut().set_message(MessageTag::default(), bits, [0; 4]);
}

/// The running thread takes the bits that are set, or waits for some: at most so many nanoseconds, not at all for 0,
/// for ever for `u64::MAX`.
pub fn wait(cpu: &ThisCpu, frame: &mut Frame, notification: &Notification, nanoseconds: u64) -> Next {
    let mut state = notification.state.lock();
    if state.bits != 0 {
        frame.set_message(MessageTag::default(), core::mem::take(&mut state.bits), [0; 4]);
        return Next::Stay;
    }
    let refusal = match nanoseconds {
        _ if !state.open => Some(Error::Gone),
        0 => Some(Error::WouldBlock),
        _ => None,
    };
    if let Some(error) = refusal {
        frame.set_system_call_result(error.to_register());
        return Next::Stay;
    }
    let Some(thread) = block_current(cpu, Wait::ForNotification) else { unreachable!("a running thread waits") };
    if nanoseconds != u64::MAX {
        limit::limit_wait(cpu, &thread, nanoseconds);
    }
    thread.notification().set(notification);
    state.push_waiter(thread);
    Next::Choose
}
