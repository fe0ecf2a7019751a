//! What a program is.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gatehouse_abi::ProgramEnd;
use gatehouse_core::intrusive::ExitLink;
use intrusive_collections::{LinkedListAtomicLink, intrusive_adapter};
use percpu::CpuIndex;

use super::{Residence, UtcbSlot, list};
use crate::cpu::ThisCpu;
use crate::memory::AddressSpace;
use crate::memory::fallible::{self, OutOfHeap};
use crate::memory::shared_frame::FrameQuota;
use crate::object::{Space, new_space, register_object};
use crate::pci::PinningFunctions;
use crate::sync::{Mutex, MutexGuard, rank};
use crate::thread::{Thread, ThreadList};

/// Numbers that were given out.
static NUMBERS: AtomicU64 = AtomicU64::new(1);
/// Programs that exist.
static EXISTING: AtomicU64 = AtomicU64::new(0);

/// Programs that exist.
#[must_use]
pub fn count() -> u64 {
    EXISTING.load(Ordering::Relaxed)
}

/// The most threads that a program may have at a time. What a thread takes of the kernel, its control block and a page for its
/// message buffer, is not refused for the program's memory: this bounds it.
pub const THREAD_QUOTA: usize = 4096;

/// Why a program takes no further thread in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoThread {
    /// It is ending.
    Ending,
    /// It has [`THREAD_QUOTA`].
    QuotaReached,
    /// The heap has no room for the list.
    OutOfMemory,
}

/// A program.
#[derive(Debug)]
pub struct Program {
    number: u64,
    name: Box<str>,
    parent: Weak<Program>,
    quiet: bool,
    root: u64,
    space: Mutex<Option<AddressSpace>, rank::Space>,
    ending: AtomicBool,
    life: Mutex<Life, rank::Life>,
    capabilities: Space,
    residence: Residence,
    /// Shared frames that it has made.
    frame_quota: Arc<FrameQuota>,
    /// Functions that it had write to its frames.
    pinning_functions: PinningFunctions,
    /// In the list of programs that are ending.
    ending_link: LinkedListAtomicLink,
    stop_link: ExitLink<ThisCpu>,
    release_link: ExitLink<ThisCpu>,
}

mod adapter {
    #![expect(missing_docs, reason = "the macro documents neither the type nor its items")]
    use super::{Arc, LinkedListAtomicLink, Program, intrusive_adapter};

    intrusive_adapter!(pub EndingAdapter = Arc<Program>: Program { ending_link => LinkedListAtomicLink });
}

pub use adapter::EndingAdapter;

/// What changes while a program lives.
#[derive(Debug, Default)]
pub struct Life {
    /// Its threads, in no order. A thread stays here until it is gone for good.
    pub threads: Vec<(u64, Weak<Thread>)>,
    /// How the thread ended that exited last.
    pub last_exit: Option<ProgramEnd>,
    /// How it ends, from the moment that this is decided.
    pub end: Option<ProgramEnd>,
    /// Programs that it started and that have not ended.
    pub children: u64,
    /// How those ended that it has not been told of.
    pub ended: VecDeque<ProgramEnd>,
    /// How many of those a thread is being told of at the moment: there is room for them to come back.
    pub being_told: u64,
    /// Its thread that waits to be told.
    pub waiter: Option<Arc<Thread>>,
    /// Threads that have not been let run yet.
    pub suspended: ThreadList,
    /// Threads that stand at a breakpoint that nobody handles.
    pub paused: ThreadList,
    /// Message buffers that were made.
    pub utcbs: u64,
    /// Message buffers that ended threads have left.
    pub left_utcbs: Vec<UtcbSlot>,
}

register_object!(Arc<Program>, "program");

impl Program {
    /// By which it waits for its threads to be stopped.
    pub const STOP_LINK: usize = offset_of!(Self, stop_link);
    /// By which it waits to give back what it has, and to be reported.
    pub const RELEASE_LINK: usize = offset_of!(Self, release_link);

    /// A program without threads.
    ///
    /// # Errors
    /// [`OutOfHeap`].
    pub fn new(
        name: &str,
        parent: Option<&Arc<Self>>,
        quiet: bool,
        space: AddressSpace,
    ) -> Result<Arc<Self>, OutOfHeap> {
        let name = fallible::copy_text(name)?;
        let capabilities = new_space()?;
        let frame_quota = fallible::new_arc(FrameQuota::default())?;
        EXISTING.fetch_add(1, Ordering::Relaxed);
        fallible::new_arc(Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            name,
            parent: parent.map_or_else(Weak::new, Arc::downgrade),
            quiet,
            root: space.root().as_u64(),
            space: Mutex::new(Some(space)),
            ending: AtomicBool::new(false),
            life: Mutex::new(Life::default()),
            capabilities,
            residence: Residence::default(),
            frame_quota,
            pinning_functions: PinningFunctions::default(),
            ending_link: LinkedListAtomicLink::new(),
            stop_link: ExitLink::new(),
            release_link: ExitLink::new(),
        })
    }

    /// Its number, never used again.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Its name in the boot archive.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whoever started it; none for the first program.
    #[must_use]
    pub fn parent(&self) -> Option<Arc<Self>> {
        self.parent.upgrade()
    }

    /// Whether it is the program that the kernel itself started, which may start others and end the machine.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.parent.strong_count() == 0 && self.number == 1
    }

    /// Whether its faults are told to its parent only.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The page-table root.
    #[must_use]
    pub const fn root(&self) -> u64 {
        self.root
    }

    /// Its address space; `None` once it is gone.
    pub fn space(&self) -> MutexGuard<'_, Option<AddressSpace>, rank::Space> {
        self.space.lock()
    }

    /// Its capabilities.
    #[must_use]
    #[inline(always)]
    pub const fn capabilities(&self) -> &Space {
        &self.capabilities
    }

    /// What swapping keeps about it.
    #[must_use]
    #[inline(always)]
    pub const fn residence(&self) -> &Residence {
        &self.residence
    }

    /// What its shared frames count for.
    #[must_use]
    pub const fn frame_quota(&self) -> &Arc<FrameQuota> {
        &self.frame_quota
    }

    /// Functions of devices that may write to frames because it asked for their addresses.
    #[must_use]
    pub const fn pinning_functions(&self) -> &PinningFunctions {
        &self.pinning_functions
    }

    /// Its changing part.
    pub fn life(&self) -> MutexGuard<'_, Life, rank::Life> {
        self.life.lock()
    }

    /// Its changing part, unless somebody has it. For reports.
    pub fn life_if_free(&self) -> Option<MutexGuard<'_, Life, rank::Life>> {
        self.life.try_lock()
    }

    /// Whether its threads are being stopped.
    #[must_use]
    #[inline(always)]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Decides how it ends; `false` if that is decided already.
    pub fn decide_end(&self, end: ProgramEnd) -> bool {
        let mut life = self.life();
        if life.end.is_some() {
            return false;
        }
        life.end = Some(end);
        self.ending.store(true, Ordering::SeqCst);
        true
    }

    /// Takes a thread in. It counts until it is gone for good.
    ///
    /// # Errors
    /// [`NoThread`]; nothing has changed then.
    pub fn add_thread(&self, thread: &Arc<Thread>) -> Result<(), NoThread> {
        let mut life = self.life();
        if life.end.is_some() {
            return Err(NoThread::Ending);
        }
        // The list has room for the quota at most, so only where it is full the quota can be reached.
        if life.threads.len() == life.threads.capacity() {
            reclaim(&mut life.threads)?;
        }
        thread.place().set(life.threads.len());
        #[expect(clippy::disallowed_methods, reason = "there is room for it")]
        life.threads.push((thread.number(), Arc::downgrade(thread)));
        Ok(())
    }

    /// Takes a thread out that is in; answers whether it was the last.
    pub fn remove_thread(&self, thread: &Thread) -> bool {
        let mut life = self.life();
        let place = thread.place().get();
        let removed = life.threads.swap_remove(place);
        assert!(removed.0 == thread.number(), "a thread knows its place");
        // Whoever was the last stands there now.
        if let Some(moved) = life.threads.get(place).and_then(|(_, moved)| moved.upgrade()) {
            moved.place().set(place);
        }
        life.threads.is_empty()
    }

    /// Calls `each` with the CPU of each of its threads.
    pub fn for_each_cpu(&self, mut each: impl FnMut(CpuIndex)) {
        let life = self.life();
        life.threads.iter().filter_map(|(_, thread)| thread.upgrade()).for_each(|thread| each(thread.cpu()));
    }
}

/// Lets the list of a program's threads grow, by as much as it has, up to [`THREAD_QUOTA`].
#[cold]
#[inline(never)]
fn reclaim(threads: &mut Vec<(u64, Weak<Thread>)>) -> Result<(), NoThread> {
    let count = threads.len();
    let left = THREAD_QUOTA.checked_sub(count).filter(|left| *left > 0).ok_or(NoThread::QuotaReached)?;
    fallible::reserve_exact(threads, count.max(4).min(left)).map_err(|_| NoThread::OutOfMemory)
}

impl Drop for Program {
    fn drop(&mut self) {
        list::remove(self.number);
        EXISTING.fetch_sub(1, Ordering::Relaxed);
    }
}
