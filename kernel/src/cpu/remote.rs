//! What other CPUs may touch of a CPU.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

use alloc::sync::Arc;
use crossbeam_utils::CachePadded;
use gatehouse_core::intrusive::{Inbox, PriorityInbox};
use smp::ipi::PendingSet;

use super::Placement;
use crate::memory::frame::FrameCache;
use crate::memory::kernel_space::kernel_root;
use crate::thread::{Attended, Thread};
use crate::time::Timer;

/// One CPU as others see it.
#[derive(Debug)]
pub struct Remote {
    pending: PendingSet,
    inbox: Inbox<Thread>,
    /// Its timers that other CPUs set or cleared.
    timers: PriorityInbox<Timer>,
    /// Threads that are to stop or to leave and that may be ready here, or run here.
    attended: PriorityInbox<Thread, Attended>,
    /// For threads below this priority nobody interrupts the CPU to have timers or threads looked at.
    floor: AtomicU8,
    /// [`REAP`], [`GIVE`], [`ATTEND`] and [`FLUSH`].
    errands: AtomicU64,
    online: AtomicBool,
    online_ns: AtomicU64,
    /// Asked of this CPU by NMI.
    nmi_requests: AtomicU64,
    own: CachePadded<Own>,
    placement: CachePadded<Placement>,
}

/// What the owner writes and others only read, kept off the line that others write.
#[derive(Debug)]
struct Own {
    frame_cache: FrameCache,
    switches: AtomicU64,
    /// The page-table root that is loaded, or was until a moment ago.
    root: AtomicU64,
    /// The page-table root that is loaded, or will be in a moment.
    entering: AtomicU64,
    pinged_at: AtomicU64,
    unexpected_interrupts: AtomicU64,
}

/// [`Remote::take_errands`]: programs are ending that may have threads here.
pub const REAP: u64 = 1;
/// [`Remote::take_errands`]: another CPU asks for a thread.
pub const GIVE: u64 = 2;
/// [`Remote::take_errands`]: threads are to stop or to leave.
pub const ATTEND: u64 = 4;
/// [`Remote::take_errands`]: it has not answered a TLB shootdown in time, and is to forget all translations.
pub const FLUSH: u64 = 8;

/// [`Remote::request_by_nmi`]: stop for ever.
pub const NMI_STOP: u64 = 1;
/// [`Remote::request_by_nmi`]: tell what it is doing, and go on.
pub const NMI_DUMP: u64 = 2;

impl Remote {
    pub(super) fn new() -> Self {
        Self {
            pending: PendingSet::new(),
            inbox: Inbox::new(),
            timers: PriorityInbox::new(),
            attended: PriorityInbox::new(),
            floor: AtomicU8::new(0),
            errands: AtomicU64::new(0),
            online: AtomicBool::new(false),
            online_ns: AtomicU64::new(0),
            nmi_requests: AtomicU64::new(0),
            own: CachePadded::new(Own {
                frame_cache: FrameCache::new(),
                switches: AtomicU64::new(0),
                root: AtomicU64::new(0),
                entering: AtomicU64::new(0),
                pinged_at: AtomicU64::new(0),
                unexpected_interrupts: AtomicU64::new(0),
            }),
            placement: CachePadded::new(Placement::new()),
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
    pub const fn timers(&self) -> &PriorityInbox<Timer> {
        &self.timers
    }

    /// Asks this CPU to look for threads of ending programs; the caller pokes it afterwards.
    pub fn ask_to_reap(&self) {
        self.errands.fetch_or(REAP, Ordering::SeqCst);
    }

    /// Asks this CPU to look at the threads in [`Self::attended`]; the caller pokes it afterwards.
    pub fn ask_to_attend(&self) {
        self.errands.fetch_or(ATTEND, Ordering::SeqCst);
    }

    /// Asks this CPU to forget all translations; the caller pokes it afterwards. Answers whether nobody had asked before.
    pub fn ask_to_flush(&self) -> bool {
        self.errands.fetch_or(FLUSH, Ordering::SeqCst) & FLUSH == 0
    }

    /// Asks this CPU to answer who asks for a thread; the caller pokes it afterwards.
    pub fn ask_to_give(&self) {
        self.errands.fetch_or(GIVE, Ordering::SeqCst);
    }

    /// What it was asked for, since the last call. Only on the owning CPU.
    #[inline(always)]
    pub fn take_errands(&self) -> u64 {
        if self.errands.load(Ordering::Relaxed) == 0 { 0 } else { self.errands.swap(0, Ordering::SeqCst) }
    }

    /// Whether no thread is on its way to this CPU; out of date at once.
    #[must_use]
    pub fn has_no_arrivals(&self) -> bool {
        self.inbox.is_empty()
    }

    /// Its part in placing threads.
    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Where other CPUs put threads that are to stop, or to leave, and may be ready here. Only the owning CPU takes.
    #[must_use]
    pub const fn attended(&self) -> &PriorityInbox<Thread, Attended> {
        &self.attended
    }

    /// Whether this CPU is to be interrupted for what a thread of this priority has just put into one of its inboxes. If not, it looks
    /// there by itself, soon.
    #[must_use]
    pub fn is_interrupted_for(&self, priority: u8) -> bool {
        // With the fence of `lower_floor`: either the CPU sees what was put in, or its new floor is seen here.
        fence(Ordering::SeqCst);
        priority >= self.floor.load(Ordering::Relaxed)
    }

    /// It is not to be interrupted for priorities below this one, for now. Only on the owning CPU.
    pub fn raise_floor(&self, floor: u8) {
        if self.floor.load(Ordering::Relaxed) < floor {
            self.floor.store(floor, Ordering::Relaxed);
        }
    }

    /// It is to be interrupted for all priorities again. Only on the owning CPU, which looks into its inboxes afterwards.
    pub fn lower_floor(&self) {
        self.floor.store(0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The time-stamp counter at the last ping.
    #[must_use]
    pub fn pinged_at(&self) -> u64 {
        self.own.pinged_at.load(Ordering::Relaxed)
    }

    /// Notes a ping. Only on the owning CPU.
    pub fn set_pinged_at(&self, ticks: u64) {
        self.own.pinged_at.store(ticks, Ordering::Relaxed);
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
    pub fn frame_cache(&self) -> &FrameCache {
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

    /// Tells which page-table root is loaded next: right before it is. Only on the owning CPU.
    #[inline(always)]
    pub fn set_entering(&self, root: u64) {
        self.own.entering.store(root, Ordering::Relaxed);
    }

    /// Whether the CPU may use translations made of the tables below a root. Loading them serialises, so a CPU that is not
    /// seen in them by who has changed them, and waited for that to be visible, loads them after the change.
    #[must_use]
    #[inline(always)]
    pub fn may_translate_by(&self, root: u64) -> bool {
        self.own.entering.load(Ordering::Relaxed) == root || self.own.root.load(Ordering::Relaxed) == root
    }

    /// Tells which page-table root is loaded: right after it is. Only on the owning CPU.
    #[inline(always)]
    pub fn set_root(&self, root: u64) {
        self.own.root.store(root, Ordering::Release);
    }

    /// Tells that the kernel's own page tables are loaded: right after they are. This is how others see that the CPU has nothing to
    /// run ([`Self::is_idle`]), so it comes before whatever the CPU looks at next.
    #[inline(always)]
    pub fn set_kernel_root(&self, root: u64) {
        self.own.root.swap(root, Ordering::SeqCst);
    }

    /// Whether the CPU has nothing to run: no program's tables are loaded. Out of date at once.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.own.root.load(Ordering::SeqCst) == kernel_root().as_u64()
    }

    /// Whether the CPU may still have the root loaded. `false` is final for a root whose threads are all gone.
    #[must_use]
    pub fn may_use_root(&self, root: u64) -> bool {
        self.own.root.load(Ordering::Acquire) == root
    }

    /// Counts an interrupt that nobody asked for; answers how many there were. Only on the owning CPU.
    pub fn count_unexpected_interrupt(&self) -> u64 {
        let count = self.own.unexpected_interrupts.load(Ordering::Relaxed) + 1;
        self.own.unexpected_interrupts.store(count, Ordering::Relaxed);
        count
    }

    /// Interrupts that nobody asked for so far, of any vector.
    #[must_use]
    pub fn unexpected_interrupts(&self) -> u64 {
        self.own.unexpected_interrupts.load(Ordering::Relaxed)
    }

    /// Switches to threads so far.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.own.switches.load(Ordering::Relaxed)
    }
}
