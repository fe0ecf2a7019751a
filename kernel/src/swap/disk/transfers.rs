//! Pages on their way to the disk or back.

use alloc::sync::Arc;
use core::fmt;

use gatehouse_core::swap::slot_table::Contents;
use heapless::Deque;
use intrusive_collections::LinkedList;
use x86_64::VirtAddr;

use crate::memory::Frame;
use crate::program::Program;
use crate::thread::{QueueAdapter, Thread};

/// Where a page goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the disk.
    Out,
    /// Back from it.
    In,
}

/// A page on its way. It owns the frame, whatever becomes of program and slot meanwhile: the device reads or writes it.
pub struct Transfer {
    /// Where it goes.
    pub direction: Direction,
    /// The slot on the disk.
    pub slot: u32,
    /// What must be in the slot when it is written.
    pub contents: Contents,
    /// The memory.
    pub frame: Frame,
    /// Whose page it is.
    pub program: Arc<Program>,
    /// The page.
    pub page: VirtAddr,
    /// Threads that need the page.
    pub waiters: LinkedList<QueueAdapter>,
    /// When the disk must have answered, in clock ticks.
    pub deadline: u64,
}

impl Transfer {
    /// A transfer that nobody waits for yet.
    #[must_use]
    pub fn new(
        direction: Direction,
        slot: u32,
        contents: Contents,
        frame: Frame,
        program: &Arc<Program>,
        page: VirtAddr,
    ) -> Self {
        let waiters = LinkedList::new(QueueAdapter::new());
        Self { direction, slot, contents, frame, program: Arc::clone(program), page, waiters, deadline: u64::MAX }
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Transfer({:?}, slot {}, page {:#x})", self.direction, self.slot, self.page)
    }
}

/// The most transfers that wait for the device to take them.
pub const QUEUED: usize = 64;
/// How many of those may be pages that go: the others are kept for pages that somebody waits for.
pub const QUEUED_OUT: usize = 48;

/// Transfers that the device has not been given yet. Pages that somebody waits for go first.
#[derive(Debug, Default)]
pub struct Queue(Deque<Transfer, QUEUED>);

impl Queue {
    /// Whether another transfer fits.
    #[must_use]
    pub fn has_room(&self, direction: Direction) -> bool {
        match direction {
            Direction::In => !self.0.is_full(),
            Direction::Out => self.0.len() < QUEUED_OUT,
        }
    }

    /// Puts a transfer in.
    ///
    /// # Errors
    /// The transfer, when there is no room.
    pub fn push(&mut self, transfer: Transfer) -> Result<(), Transfer> {
        match transfer.direction {
            direction if !self.has_room(direction) => Err(transfer),
            Direction::In => self.0.push_front(transfer),
            Direction::Out => self.0.push_back(transfer),
        }
    }

    /// Takes the next one.
    pub fn pop(&mut self) -> Option<Transfer> {
        self.0.pop_front()
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Transfer> {
        self.0.iter_mut()
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes the threads out of a list that belong to a program.
pub fn take_threads(list: &mut LinkedList<QueueAdapter>, program: &Program, mut each: impl FnMut(Arc<Thread>)) {
    let mut cursor = list.front_mut();
    while let Some(thread) = cursor.get() {
        if core::ptr::eq(Arc::as_ptr(thread.program()), program) {
            cursor.remove().into_iter().for_each(&mut each);
        } else {
            cursor.move_next();
        }
    }
}
