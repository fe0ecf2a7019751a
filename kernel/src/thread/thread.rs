//! The thread control block.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::{Cell, UnsafeCell};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use gatehouse_abi::TrapNumber;
use gatehouse_core::intrusive::{ExitLink, InboxEntry, Link, ReplyRight, Runnable, Turn};
use gatehouse_core::sched::{Affinity, LookRequest, PRIORITIES};
use gatehouse_core::time::{Key, Timed};
use intrusive_collections::{KeyAdapter, LinkedListAtomicLink, RBTreeAtomicLink, intrusive_adapter};
use percpu::{CpuIndex, EntryTop};

use super::{ThreadFlag, ThreadFlags, Wait};
use crate::arch::{DebugRegisters, FpuState, Frame, UserBases};
use crate::cpu::ThisCpu;
use crate::ipc::{Endpoint, FaultHandler, Notification, SavedReply};
use crate::memory::fallible::{self, OutOfHeap};
use crate::object::{Space, register_object};
use crate::program::{Program, UtcbSlot};
use crate::sync::{Mutex, rank};

/// What threads start with.
pub const DEFAULT_PRIORITY: u8 = gatehouse_abi::DEFAULT_PRIORITY as u8;

/// Numbers that were given out.
static NUMBERS: AtomicU64 = AtomicU64::new(1);
/// Threads that exist.
static EXISTING: AtomicU64 = AtomicU64::new(0);

/// Threads that exist, in all programs.
#[must_use]
pub fn count() -> u64 {
    EXISTING.load(Ordering::Relaxed)
}

/// Where a thread's context is saved.
///
/// The spare bytes below the frame take what the processor and the entry push when the final `iretq` faults: it does so with
/// RSP inside the frame, before anything can be checked, and overruns the frame's start by 48 bytes.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct SaveArea {
    spare: UnsafeCell<[u64; 8]>,
    frame: UnsafeCell<Frame>,
}

const _: () = assert!((offset_of!(SaveArea, frame) + size_of::<Frame>()).is_multiple_of(16));
const _: () = assert!(offset_of!(SaveArea, frame) >= 48);

/// A thread.
///
/// Only the CPU that owns it at the moment touches its context, links and cells: see the module's description.
#[derive(Debug)]
#[repr(C)]
pub struct Thread {
    save_area: SaveArea,
    root: u64,
    bases: UserBases,
    fpu: FpuState,
    pub(super) debug_registers: DebugRegisters,
    priority: Cell<u8>,
    program: Arc<Program>,
    /// The program's, one step nearer.
    capabilities: Space,
    number: u64,
    /// When the thread is to be woken, in clock ticks.
    deadline: Cell<u64>,
    /// The thread waits with its system call's arguments in place, to make the call again.
    waits_for_program: Cell<bool>,
    pub(super) wait: Cell<Wait>,
    /// The badge of the message that it waits to send.
    pub(super) badge: Cell<u64>,
    /// The endpoint in whose queue it is. Changed under the queue's lock.
    pub(super) endpoint: Link<Endpoint>,
    /// The notification whose signal it waits for. Changed under the notification's lock.
    pub(super) notification: Link<Notification>,
    /// The object that holds the right to reply to it, if that was saved. Changed under the lock of `ipc::cancel`.
    pub(super) saved_reply: Link<SavedReply>,
    /// The thread that owes it a reply.
    pub(super) server: Link<Thread>,
    /// The thread that it owes a reply, owned.
    pub(super) client: ReplyRight<Thread>,
    pub(super) utcb: UtcbSlot,
    /// Its last fault: the trap, and the address or instruction that it is about.
    pub(super) fault: Cell<(TrapNumber, u64)>,
    /// Where its faults go; null nowhere, or where `limited_endpoint` says. `handler` keeps it.
    pub(super) fault_endpoint: AtomicPtr<Endpoint>,
    /// Where its faults go when its handler has a time limit; else null.
    pub(super) limited_endpoint: AtomicPtr<Endpoint>,
    /// The badge that its faults come with.
    pub(super) fault_badge: Cell<u64>,
    /// How long the handler behind `limited_endpoint` may take, in nanoseconds.
    pub(super) handler_limit: Cell<u64>,
    pub(super) handler: Mutex<Option<FaultHandler>, rank::Handler>,
    flags: ThreadFlags,
    /// Where it may run; nothing for the CPU that it belongs to, alone.
    pub(super) affinity: Mutex<Option<Box<Affinity>>, rank::Affinity>,
    look_request: LookRequest,
    /// The tag of the run queue that it is in, 0 for none. Changed by the CPU of that queue.
    queued: AtomicU32,
    queue_link: LinkedListAtomicLink,
    sender_link: RBTreeAtomicLink,
    /// Its turn among the senders of the endpoint where it waits.
    turn: Cell<Turn>,
    /// Where it stands in its program's list of threads. Changed under the lock of the program's life.
    place: Cell<usize>,
    timer_link: RBTreeAtomicLink,
    inbox_next: AtomicPtr<Thread>,
    attended_next: AtomicPtr<Thread>,
    exit_link: ExitLink<ThisCpu>,
}

// SAFETY: the cells belong to the CPU that owns the thread at the moment; handing over goes through atomics with release
// and acquire ordering (inbox) or stays on one CPU.
unsafe impl Sync for Thread {}
// SAFETY: nothing in a thread is tied to a CPU once it is off it.
unsafe impl Send for Thread {}

mod adapters {
    #![expect(missing_docs, reason = "the macro documents neither the types nor their items")]
    use super::{Arc, LinkedListAtomicLink, RBTreeAtomicLink, Thread, intrusive_adapter};

    intrusive_adapter!(pub QueueAdapter = Arc<Thread>: Thread { queue_link => LinkedListAtomicLink });
    intrusive_adapter!(pub SenderAdapter = Arc<Thread>: Thread { sender_link => RBTreeAtomicLink });
    intrusive_adapter!(pub ThreadTimerAdapter = Arc<Thread>: Thread { timer_link => RBTreeAtomicLink });
}

pub use adapters::{QueueAdapter, SenderAdapter, ThreadTimerAdapter};

impl core::fmt::Debug for QueueAdapter {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("QueueAdapter")
    }
}

impl core::fmt::Debug for ThreadTimerAdapter {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("ThreadTimerAdapter")
    }
}

impl core::fmt::Debug for SenderAdapter {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("SenderAdapter")
    }
}

impl<'thread> KeyAdapter<'thread> for SenderAdapter {
    type Key = Turn;

    fn get_key(&self, thread: &'thread Thread) -> Turn {
        thread.turn.get()
    }
}

impl<'thread> KeyAdapter<'thread> for ThreadTimerAdapter {
    type Key = Key;

    fn get_key(&self, thread: &'thread Thread) -> Key {
        thread.key()
    }
}

impl Timed for Thread {
    fn key(&self) -> Key {
        (self.deadline.get(), self.number)
    }
}

// SAFETY: the tag is set here alone, by the run queues of the CPU that owns the thread; `set_priority` is for its owner while it
// is in no queue, and so is every other use of the link: it is in one list at a time.
unsafe impl Runnable for Thread {
    type Adapter = QueueAdapter;
    const ADAPTER: QueueAdapter = QueueAdapter::NEW;

    #[inline(always)]
    fn priority(&self) -> u8 {
        self.priority()
    }

    /// Another queue's tag may be out of date; the own CPU's queue's is not: only that CPU sets and clears it.
    #[inline(always)]
    fn queued(&self) -> u32 {
        self.queued.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn set_queued(&self, tag: u32) {
        self.queued.store(tag, Ordering::Relaxed);
    }
}

// SAFETY: the link is used by inboxes alone, and whoever puts a thread into one owns it.
unsafe impl InboxEntry for Thread {
    fn next_link(&self) -> &AtomicPtr<Self> {
        &self.inbox_next
    }
}

/// The mark of the link by which threads are in [`crate::cpu::Remote::attended`].
#[derive(Debug)]
pub struct Attended;

// SAFETY: the link is used by inboxes of that mark alone, and `LookRequest::ask` lets one caller at a time put the thread into
// one.
unsafe impl InboxEntry<Attended> for Thread {
    fn next_link(&self) -> &AtomicPtr<Self> {
        &self.attended_next
    }
}

register_object!(Arc<Thread>, "thread");

impl Thread {
    /// Where its link is by which it waits for its end.
    pub const EXIT_LINK: usize = offset_of!(Self, exit_link);

    /// A thread of the program that will enter ring 3 through `frame`, on this CPU and no other.
    ///
    /// # Errors
    /// [`OutOfHeap`].
    #[inline(always)]
    pub fn new(program: Arc<Program>, frame: Frame, cpu: CpuIndex, utcb: UtcbSlot) -> Result<Arc<Self>, OutOfHeap> {
        EXISTING.fetch_add(1, Ordering::Relaxed);
        let flags = ThreadFlags::new(cpu);
        flags.put(ThreadFlag::BasesByMsr, !UserBases::have_instructions());
        fallible::new_arc(Self {
            save_area: SaveArea { spare: UnsafeCell::new([0; 8]), frame: UnsafeCell::new(frame) },
            root: program.root(),
            bases: UserBases::default(),
            fpu: FpuState::default(),
            debug_registers: DebugRegisters::default(),
            priority: Cell::new(DEFAULT_PRIORITY),
            capabilities: Arc::clone(program.capabilities()),
            program,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            deadline: Cell::new(0),
            waits_for_program: Cell::new(false),
            wait: Cell::new(Wait::Nothing),
            badge: Cell::new(0),
            endpoint: Link::none(),
            notification: Link::none(),
            saved_reply: Link::none(),
            server: Link::none(),
            client: ReplyRight::none(),
            utcb,
            fault: Cell::new((TrapNumber::SPURIOUS, 0)),
            fault_endpoint: AtomicPtr::new(ptr::null_mut()),
            limited_endpoint: AtomicPtr::new(ptr::null_mut()),
            fault_badge: Cell::new(0),
            handler_limit: Cell::new(0),
            handler: Mutex::new(None),
            flags,
            affinity: Mutex::new(None),
            look_request: LookRequest::new(),
            queued: AtomicU32::new(0),
            queue_link: LinkedListAtomicLink::new(),
            sender_link: RBTreeAtomicLink::new(),
            turn: Cell::new(Turn::default()),
            place: Cell::new(0),
            timer_link: RBTreeAtomicLink::new(),
            inbox_next: AtomicPtr::new(ptr::null_mut()),
            attended_next: AtomicPtr::new(ptr::null_mut()),
            exit_link: ExitLink::new(),
        })
    }

    /// The saved context. It may be written by the entry code while the thread runs, so it is a pointer; [`super::OffCpu`] gives a reference.
    #[must_use]
    #[inline(always)]
    pub const fn frame_pointer(&self) -> *mut Frame {
        self.save_area.frame.get()
    }

    /// What goes into the TSS when the thread runs.
    #[must_use]
    #[inline(always)]
    pub fn entry_top(&self) -> EntryTop {
        let end = self.frame_pointer() as u64 + size_of::<Frame>() as u64;
        // SAFETY: the frame and the spare bytes below it are the thread's, in memory that every address space maps; the
        // thread stays alive while it is on a CPU. The end is a multiple of 16 by the assertion above.
        unsafe { EntryTop::new(end).unwrap_unchecked() }
    }

    /// The page-table root of its program.
    #[must_use]
    #[inline(always)]
    pub const fn root(&self) -> u64 {
        self.root
    }

    /// The user's FS and GS bases.
    #[must_use]
    #[inline(always)]
    pub const fn bases(&self) -> &UserBases {
        &self.bases
    }

    /// The floating-point state.
    #[must_use]
    #[inline(always)]
    pub const fn fpu(&self) -> &FpuState {
        &self.fpu
    }

    /// The priority, below [`PRIORITIES`].
    #[must_use]
    #[inline(always)]
    pub const fn priority(&self) -> u8 {
        self.priority.get()
    }

    /// Sets the priority, below [`PRIORITIES`]. Only by its owner, while it is in no queue: those are sorted by it.
    pub fn set_priority(&self, priority: u8) {
        assert!(usize::from(priority) < PRIORITIES);
        self.priority.set(priority);
    }

    /// The program that it belongs to.
    #[must_use]
    pub const fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The capabilities of its program.
    #[must_use]
    #[inline(always)]
    pub const fn capabilities(&self) -> &Space {
        &self.capabilities
    }

    /// Its number, never used again.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The CPU that it runs on, or ran on last.
    #[must_use]
    pub fn cpu(&self) -> CpuIndex {
        self.flags.cpu()
    }

    /// Assigns it to a CPU. Only by its owner, before it is handed over: who looks for the threads of an ending program
    /// relies on that order.
    pub fn set_cpu(&self, cpu: CpuIndex) {
        self.flags.set_cpu(cpu);
    }

    /// When it is to be woken, in clock ticks.
    #[must_use]
    pub const fn deadline(&self) -> u64 {
        self.deadline.get()
    }

    /// Sets when it is to be woken. Only while it is in no timer list.
    pub fn set_deadline(&self, deadline: u64) {
        assert!(!self.timer_link.is_linked());
        self.deadline.set(deadline);
    }

    /// Whether it is in a timer list.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.timer_link.is_linked()
    }

    /// Why it may not run at once when it becomes ready.
    #[must_use]
    #[inline(always)]
    pub const fn flags(&self) -> &ThreadFlags {
        &self.flags
    }

    /// What has become of the last request that its CPU look at it.
    /// Its turn among senders. Only its owner sets it, while it is in no queue.
    #[must_use]
    pub const fn turn(&self) -> &Cell<Turn> {
        &self.turn
    }

    /// Whether it is among the senders of an endpoint.
    #[must_use]
    pub fn is_among_senders(&self) -> bool {
        self.sender_link.is_linked()
    }

    /// Where it stands in its program's list of threads. Under the lock of the program's life.
    #[must_use]
    pub const fn place(&self) -> &Cell<usize> {
        &self.place
    }

    /// Who was asked to stop it.
    #[must_use]
    pub const fn look_request(&self) -> &LookRequest {
        &self.look_request
    }

    /// Whether it waits for a program to end.
    #[must_use]
    pub const fn waits_for_program(&self) -> &Cell<bool> {
        &self.waits_for_program
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.ceases_to_be_migratable();
        EXISTING.fetch_sub(1, Ordering::Relaxed);
    }
}
