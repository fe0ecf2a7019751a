//! What belongs to one CPU alone.

use core::cell::{Cell, RefCell, UnsafeCell};

use alloc::sync::Arc;

use super::ThisCpu;
use crate::arch::{self, Frame, InstructionInfo};
use crate::sched::RunQueue;
use crate::thread::Thread;
use crate::time::TimerList;

/// One CPU's own state. Reached through [`ThisCpu::local`] only.
#[derive(Debug)]
pub struct Local {
    /// The thread that runs, owned; null when idle.
    current: Cell<*const Thread>,
    /// The running thread may use the unit: TS is clear.
    fpu_allowed: Cell<bool>,
    /// What is ready to run here.
    pub run_queue: RunQueue,
    /// What waits for a moment in time here.
    pub timers: TimerList,
    /// When the running thread's slice is over, in clock ticks; `u64::MAX` while nobody else is ready.
    pub slice_end: Cell<u64>,
    /// What the hardware timer is armed for, in clock ticks; `u64::MAX` when it is not.
    pub armed: Cell<u64>,
    /// For looking into instructions that fault; kept, since making one allocates.
    pub instructions: RefCell<InstructionInfo>,
    idle_frame: UnsafeCell<Frame>,
}

impl Local {
    /// The state of a CPU that idles on the interrupt stack with this top.
    #[must_use]
    pub fn new(interrupt_stack_top: u64) -> Self {
        Self {
            current: Cell::new(core::ptr::null()),
            fpu_allowed: Cell::new(false),
            run_queue: RunQueue::new(),
            timers: TimerList::new(),
            slice_end: Cell::new(u64::MAX),
            armed: Cell::new(u64::MAX),
            instructions: RefCell::new(arch::instruction_info()),
            idle_frame: UnsafeCell::new(arch::idle_frame(interrupt_stack_top)),
        }
    }

    /// The frame by which this CPU goes idle. Nothing ever writes to it: an interrupted idle CPU begins anew.
    #[must_use]
    pub const fn idle_frame(&self) -> *const Frame {
        self.idle_frame.get()
    }

    /// Whether the running thread may use the floating-point unit.
    #[must_use]
    pub const fn fpu_allowed(&self) -> &Cell<bool> {
        &self.fpu_allowed
    }
}

impl ThisCpu {
    /// The thread that runs here; none while idle.
    #[must_use]
    #[inline(always)]
    pub fn current(&self) -> Option<&Thread> {
        // SAFETY: `current` owns the thread it points to; callers drop the reference before they let the thread go.
        unsafe { self.local().current.get().as_ref() }
    }

    /// Puts a thread on this CPU.
    #[inline(always)]
    pub fn set_current(&self, thread: Arc<Thread>) {
        debug_assert!(self.local().current.get().is_null());
        self.local().current.set(Arc::into_raw(thread));
    }

    /// Puts a thread on this CPU instead of the one that is there.
    #[inline(always)]
    #[must_use]
    pub fn replace_current(&self, thread: Arc<Thread>) -> Option<Arc<Thread>> {
        let previous = self.local().current.replace(Arc::into_raw(thread));
        // SAFETY: a pointer in `current` comes from `Arc::into_raw`, and is taken once.
        (!previous.is_null()).then(|| unsafe { Arc::from_raw(previous) })
    }

    /// Takes the thread off this CPU.
    #[inline(always)]
    #[must_use]
    pub fn take_current(&self) -> Option<Arc<Thread>> {
        let thread = self.local().current.replace(core::ptr::null());
        // SAFETY: a pointer in `current` comes from `Arc::into_raw`, and is taken once.
        (!thread.is_null()).then(|| unsafe { Arc::from_raw(thread) })
    }

    /// Another owner of the thread that runs here.
    #[must_use]
    pub fn current_owned(&self) -> Option<Arc<Thread>> {
        let thread = self.local().current.get();
        if thread.is_null() {
            return None;
        }
        // SAFETY: the pointer comes from `Arc::into_raw` and is still owned by `current`.
        unsafe {
            Arc::increment_strong_count(thread);
            Some(Arc::from_raw(thread))
        }
    }
}
