//! What may be done to a thread that is off every CPU, by whoever owns it.

use core::ops::Deref;

use gatehouse_abi::ThreadRegisters;

use super::Thread;
use crate::arch::Frame;

/// A thread that is off every CPU, in the hands of whoever has this: its frame and registers stay what they are until this is gone,
/// and may be changed. No CPU runs the thread, and nobody else lets it go on.
///
/// Costs nothing: it is the reference.
#[derive(Debug)]
#[repr(transparent)]
pub struct OffCpu<'owner>(&'owner Thread);

impl<'owner> OffCpu<'owner> {
    /// Says so of a thread.
    ///
    /// # Safety
    /// As long as the value lives, the thread is off every CPU, it is the caller's alone, and no other such value of it is in use. A thread is
    /// the caller's who has taken it out of the queue, list or right to reply where it waited, or holds the lock under which it would be
    /// taken from there, or has not started it yet.
    #[inline(always)]
    pub const unsafe fn new(thread: &'owner Thread) -> Self {
        Self(thread)
    }

    /// Where it goes on.
    #[must_use]
    #[inline(always)]
    pub const fn frame(&self) -> &Frame {
        // SAFETY: by the contract of `new` nobody writes to the frame as long as this value is borrowed.
        unsafe { &*self.0.frame_pointer() }
    }

    /// The same, to be changed.
    #[inline(always)]
    pub const fn frame_mut(&mut self) -> &mut Frame {
        // SAFETY: by the contract of `new` nobody else refers to the frame as long as this value is borrowed for itself alone.
        unsafe { &mut *self.0.frame_pointer() }
    }

    /// Its registers.
    #[must_use]
    pub fn registers(&self) -> ThreadRegisters {
        ThreadRegisters { fs_base: self.bases().fs(), gs_base: self.bases().gs(), ..self.frame().registers() }
    }

    /// Sets its registers, as far as a program may.
    pub fn set_registers(&mut self, registers: &ThreadRegisters) {
        self.frame_mut().set_registers(registers);
        self.bases().record(registers.fs_base, registers.gs_base);
    }
}

impl Deref for OffCpu<'_> {
    type Target = Thread;

    #[inline(always)]
    fn deref(&self) -> &Thread {
        self.0
    }
}
