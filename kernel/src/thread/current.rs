//! The thread that runs on a CPU.

use core::cell::Cell;

use alloc::sync::Arc;
use percpu::{CpuLocal, per_cpu};

use super::Thread;
use crate::cpu::ThisCpu;
use crate::invariant::invariant;

per_cpu! {
    /// The thread that runs here, owned; null when idle.
    zeroed static CURRENT: CpuLocal<Cell<*const Thread>> = Cell::new(core::ptr::null());
}

impl ThisCpu {
    /// The thread that runs here; none while idle.
    #[must_use]
    #[inline(always)]
    pub fn current(&self) -> Option<&Thread> {
        // SAFETY: `current` owns the thread it points to; callers drop the reference before they let the thread go.
        unsafe { CURRENT.of(self).get().as_ref() }
    }

    /// The thread that runs here, owned by this CPU; null while idle.
    #[must_use]
    #[inline(always)]
    pub fn current_pointer(&self) -> *const Thread {
        CURRENT.of(self).get()
    }

    /// Puts a thread on this CPU.
    #[inline(always)]
    pub fn set_current(&self, thread: Arc<Thread>) {
        invariant(CURRENT.of(self).get().is_null());
        CURRENT.of(self).set(Arc::into_raw(thread));
    }

    /// Puts a thread on this CPU instead of `previous`, which is there; answers both.
    ///
    /// # Safety
    /// `previous` is [`Self::current_pointer`] and not null; nobody takes `thread` off the CPU while the reference is in use.
    #[inline(always)]
    #[must_use]
    pub unsafe fn replace_current(&self, previous: *const Thread, thread: Arc<Thread>) -> (Arc<Thread>, &Thread) {
        let thread = Arc::into_raw(thread);
        CURRENT.of(self).set(thread);
        // SAFETY: pointers in `current` come from `Arc::into_raw`, and this one has just been taken out.
        unsafe { (Arc::from_raw(previous), &*thread) }
    }

    /// Takes the thread off this CPU.
    #[inline(always)]
    #[must_use]
    pub fn take_current(&self) -> Option<Arc<Thread>> {
        let thread = CURRENT.of(self).replace(core::ptr::null());
        // SAFETY: a pointer in `current` comes from `Arc::into_raw`, and is taken once.
        (!thread.is_null()).then(|| unsafe { Arc::from_raw(thread) })
    }

    /// Another owner of the thread that runs here.
    #[must_use]
    pub fn current_owned(&self) -> Option<Arc<Thread>> {
        let thread = CURRENT.of(self).get();
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
