//! What other CPUs may touch of a CPU.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use alloc::sync::Arc;
use smp::ipi::PendingSet;

use crate::memory::frame::FrameCache;
use crate::sched::Inbox;
use crate::thread::Thread;
use crate::time::Timer;

/// One CPU as others see it.
#[derive(Debug)]
#[repr(align(64))]
pub struct Remote {
    pending: PendingSet,
    inbox: Inbox<Thread>,
    /// Its timers that other CPUs set or cleared.
    timers: Inbox<Timer>,
    /// Programs are ending that may have threads here.
    reap: AtomicBool,
    flushes: FlushCounters,
    online: AtomicBool,
    online_ns: AtomicU64,
    /// Asked of this CPU by NMI.
    nmi_requests: AtomicU64,
    own: Own,
}

/// What the owner writes and others only read, kept off the line that others write.
#[derive(Debug)]
#[repr(align(64))]
struct Own {
    frame_cache: FrameCache,
    switches: AtomicU64,
    /// The page-table root that is loaded, or was until a moment ago.
    root: AtomicU64,
}

/// How far this CPU is with flushing its TLB.
#[derive(Debug, Default)]
struct FlushCounters {
    /// Somebody asked since the last flush began.
    wanted: AtomicBool,
    /// Kernel pages, too.
    global: AtomicBool,
    started: AtomicU64,
    done: AtomicU64,
}

/// [`Remote::request_by_nmi`]: stop for ever.
pub const NMI_STOP: u64 = 1;

impl Remote {
    pub(super) fn new() -> Self {
        Self {
            pending: PendingSet::new(),
            inbox: Inbox::new(),
            timers: Inbox::new(),
            reap: AtomicBool::new(false),
            flushes: FlushCounters::default(),
            online: AtomicBool::new(false),
            online_ns: AtomicU64::new(0),
            nmi_requests: AtomicU64::new(0),
            own: Own { frame_cache: FrameCache::new(), switches: AtomicU64::new(0), root: AtomicU64::new(0) },
        }
    }

    /// Why this CPU was poked.
    #[must_use]
    pub const fn pending(&self) -> &PendingSet {
        &self.pending
    }

    /// Hands a thread to this CPU; the caller pokes it afterwards.
    pub fn put(&self, thread: Arc<Thread>) {
        self.inbox.put(thread);
    }

    /// Takes all threads that were handed over, oldest first. Only on the owning CPU.
    pub fn take_threads(&self, each: impl FnMut(Arc<Thread>)) {
        self.inbox.take_all(each);
    }

    /// Where other CPUs put timers of this one that they set or cleared. Only the owning CPU takes.
    #[must_use]
    pub const fn timers(&self) -> &Inbox<Timer> {
        &self.timers
    }

    /// Asks this CPU to look for threads of ending programs; the caller pokes it afterwards.
    pub fn ask_to_reap(&self) {
        self.reap.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked to, since the last call. Only on the owning CPU.
    pub fn take_reap(&self) -> bool {
        self.reap.load(Ordering::Relaxed) && self.reap.swap(false, Ordering::SeqCst)
    }

    /// Asks for a flush and answers the number of the one that began last: a flush with a higher number sees every
    /// page-table change made before this call. The caller pokes the CPU afterwards.
    #[must_use]
    pub fn ask_for_flush(&self, global: bool) -> u64 {
        if global {
            self.flushes.global.store(true, Ordering::SeqCst);
        }
        let before = self.flushes.started.load(Ordering::SeqCst);
        self.flushes.wanted.store(true, Ordering::SeqCst);
        before
    }

    /// The number of the flush that was completed last.
    #[must_use]
    pub fn flushes_done(&self) -> u64 {
        self.flushes.done.load(Ordering::SeqCst)
    }

    /// Runs a flush of the TLB if anybody asked for one; `flush` is told whether of kernel pages too. Only on the
    /// owning CPU.
    pub fn flush_if_wanted(&self, flush: impl FnOnce(bool)) {
        if !self.flushes.wanted.load(Ordering::SeqCst) {
            return;
        }
        // Who asks from here on asks for another one.
        self.flushes.wanted.store(false, Ordering::SeqCst);
        let global = self.flushes.global.swap(false, Ordering::SeqCst);
        let number = self.flushes.started.fetch_add(1, Ordering::SeqCst) + 1;
        flush(global);
        self.flushes.done.store(number, Ordering::SeqCst);
    }

    /// Whether the CPU takes threads.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Acquire)
    }

    /// The CPU takes threads from now on.
    pub fn set_online(&self, since_start_ns: u64) {
        self.online_ns.store(since_start_ns, Ordering::Relaxed);
        self.online.store(true, Ordering::Release);
    }

    /// Nanoseconds from the first INIT until the CPU was online; 0 for the first CPU.
    #[must_use]
    pub fn online_ns(&self) -> u64 {
        self.online_ns.load(Ordering::Relaxed)
    }

    /// Corrects the time to online once the moment of the first INIT is known.
    pub fn set_online_ns(&self, since_start_ns: u64) {
        self.online_ns.store(since_start_ns, Ordering::Relaxed);
    }

    /// Leaves a request for the NMI that the caller sends next.
    pub fn request_by_nmi(&self, request: u64) {
        self.nmi_requests.fetch_or(request, Ordering::SeqCst);
    }

    /// What was requested by NMI and not yet taken.
    #[must_use]
    pub fn take_nmi_requests(&self) -> u64 {
        self.nmi_requests.swap(0, Ordering::SeqCst)
    }

    /// This CPU's frames. Only the owner puts and takes; anybody may count.
    #[must_use]
    pub const fn frame_cache(&self) -> &FrameCache {
        &self.own.frame_cache
    }

    /// Counts a switch to a thread. Only on the owning CPU.
    #[inline(always)]
    pub fn count_switch(&self) {
        self.own.switches.store(self.own.switches.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// The page-table root that is loaded. Only on the owning CPU.
    #[must_use]
    #[inline(always)]
    pub fn root(&self) -> u64 {
        self.own.root.load(Ordering::Relaxed)
    }

    /// Tells which page-table root is loaded: right after it is. Only on the owning CPU.
    #[inline(always)]
    pub fn set_root(&self, root: u64) {
        self.own.root.store(root, Ordering::Release);
    }

    /// Whether the CPU may still have the root loaded. `false` is final for a root whose threads are all gone.
    #[must_use]
    pub fn may_use_root(&self, root: u64) -> bool {
        self.own.root.load(Ordering::Acquire) == root
    }

    /// Switches to threads so far.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.own.switches.load(Ordering::Relaxed)
    }
}
