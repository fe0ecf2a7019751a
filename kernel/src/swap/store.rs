//! Where pages go: compressed memory, or a disk.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_abi::{PageLoss, SwapInformation};
use gatehouse_core::memory::layout::PAGE_SIZE;
use gatehouse_core::swap::page_codec::{Compressed, checksum, is_zero};
use gatehouse_core::swap::slot_table::{Contents, SlotTable, State};
use intrusive_collections::LinkedList;
use spin::Once;
use x86_64::VirtAddr;

use super::block_pool::BlockPool;
use super::disk::{Direction, Disk, QUEUED_OUT, Transfer};
use super::waiting::begin;
use crate::cpu::ThisCpu;
use crate::memory::Frame;
use crate::memory::address_space::TOKEN_LIMIT;
use crate::program::Program;
use crate::sync::{Mutex, rank};
use crate::thread::QueueAdapter;

/// The token of a page of zeros that never had a frame: it takes no slot.
pub const ZERO: u64 = TOKEN_LIMIT - 1;

const _: () = assert!((SlotTable::MOST as u64) < ZERO);

/// What was done, since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Pages that were stored.
    pub out: u64,
    /// Pages that came back.
    pub back: u64,
    /// Pages whose bytes were not those that had been stored.
    pub corrupt: u64,
    /// Transfers that the disk did not do.
    pub disk_errors: u64,
}

/// What keeps the pages.
#[derive(Debug)]
enum Backing {
    Memory(BlockPool),
    Disk(Box<Disk>),
}

/// A store that is in use.
pub struct Store {
    slots: SlotTable,
    backing: Backing,
    counts: Counts,
    /// The page with this number, counted from 1, is to be damaged once it is stored; 0 for none.
    damage: u64,
    /// Threads that wait for frames, which pages on their way to the disk will leave behind.
    pub(super) wait_for_frames: LinkedList<QueueAdapter>,
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Store({:?}, {} of {} slots in use)", self.counts, self.slots.in_use(), self.slots.count())
    }
}

static STORE: Once<Mutex<Store, rank::Store>> = Once::new();
/// Pages that are on their way to the disk. Written with the store locked.
static OUTGOING: AtomicU64 = AtomicU64::new(0);
/// Pages of zeros that never had a frame.
static ZERO_PAGES: AtomicU64 = AtomicU64::new(0);

/// The store; `None` if nothing is swapped.
#[must_use]
pub fn store() -> Option<&'static Mutex<Store, rank::Store>> {
    STORE.get()
}

/// Puts a store to use, once.
pub fn install(store: Store) {
    STORE.call_once(|| Mutex::new(store));
}

/// What came of storing a page.
#[derive(Debug)]
#[must_use = "a refused page must go back to where it was"]
pub enum Put {
    /// It is stored or on its way to the disk, or nobody wants it any more.
    Done,
    /// It cannot be stored.
    Refused(Frame),
}

/// What came of reading a page.
#[derive(Debug)]
pub enum Fetched {
    /// It is whole, and its slot is free.
    Whole(Frame),
    /// It is on its way out, and nobody can wait for that.
    NotYet,
    /// It is on its way to or from the disk: whoever needs it waits there.
    UnderWay,
    /// It must be read from the disk: the caller brings the frame and a thread to wait for it.
    OnDisk(Frame),
    /// It will not come.
    Lost(PageLoss),
}

impl Store {
    /// Slots for each frame of compressed pages: pages that shrink to less than a third find the slots taken before the blocks.
    const SLOTS_PER_FRAME: u32 = 3;

    fn new(slots: u32, backing: Backing, damage: u64) -> Option<Self> {
        Some(Self {
            slots: SlotTable::new(slots).ok()?,
            backing,
            counts: Counts::default(),
            damage,
            wait_for_frames: LinkedList::new(QueueAdapter::new()),
        })
    }

    /// A store in compressed memory, of at most so many frames; `None` if the heap has no room for its tables.
    #[must_use]
    pub fn in_memory(frames: u32, damage: u64) -> Option<Self> {
        let pool = BlockPool::new(frames).ok()?;
        Self::new(pool.bound().saturating_mul(Self::SLOTS_PER_FRAME), Backing::Memory(pool), damage)
    }

    /// A store of at most so many pages on a disk; `None` if the heap has no room for its tables.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    pub fn on_disk(disk: Disk, most: u64, damage: u64) -> Option<Self> {
        let slots = u32::try_from(disk.slots().min(most)).unwrap_or(SlotTable::MOST);
        Self::new(slots, Backing::Disk(Box::new(disk)), damage)
    }

    /// The slots.
    pub fn slots(&mut self) -> &mut SlotTable {
        &mut self.slots
    }

    /// The disk, if that is what keeps the pages.
    pub fn disk(&mut self) -> Option<&mut Disk> {
        match &mut self.backing {
            Backing::Memory(_) => None,
            Backing::Disk(disk) => Some(disk),
        }
    }

    /// What was done.
    pub fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }

    /// Pages that there are slots for.
    fn room(&self) -> u64 {
        u64::from(self.slots.count() - self.slots.in_use())
    }

    /// A slot for a page that is about to leave; `None` if it would not be taken.
    pub fn take_slot(&mut self) -> Option<u32> {
        if self.disk().is_none() {
            return self.slots.take();
        }
        if outgoing() >= QUEUED_OUT as u64 {
            return None;
        }
        let slot = self.slots.take()?;
        OUTGOING.fetch_add(1, Ordering::Relaxed);
        Some(slot)
    }

    /// The page did not leave after all.
    pub fn give_slot_back(&mut self, slot: u32) {
        self.slots.done(slot);
        self.went_out();
    }

    /// The page's contents have arrived; `false` if nobody wants them any more: the slot is free then.
    #[must_use]
    pub fn stored(&mut self, slot: u32, contents: Contents) -> bool {
        self.went_out();
        self.slots.stored(slot, contents)
    }

    fn went_out(&mut self) {
        if self.disk().is_some() {
            OUTGOING.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Counts a page that is stored; answers whether it is the one to be damaged.
    fn count_out(&mut self) -> bool {
        self.counts.out += 1;
        self.counts.out == self.damage
    }

    /// Frees the memory of a slot's contents.
    fn free_memory(&mut self, contents: Contents) {
        if let Backing::Memory(pool) = &mut self.backing
            && contents.length > 0
        {
            pool.free(contents.place, usize::from(contents.length));
        }
    }

    fn keep(&mut self, slot: u32, compressed: &Compressed, sum: u64, spare: &mut Option<Frame>) -> bool {
        let Backing::Memory(pool) = &mut self.backing else { return false };
        let bytes = compressed.bytes();
        let Ok(place) = pool.put(bytes, spare) else { return false };
        let contents = Contents { checksum: sum, place, length: bytes.len() as u16 };
        if self.count_out()
            && let Backing::Memory(pool) = &mut self.backing
        {
            pool.damage(place);
        }
        if !self.stored(slot, contents) {
            self.free_memory(contents);
        }
        true
    }
}

/// Stores a page whose contents are final. The slot was taken for it.
pub fn put(cpu: &ThisCpu, store: &Mutex<Store, rank::Store>, page: OwnedPage<'_>, slot: u32, frame: Frame) -> Put {
    if is_zero(frame.bytes()) {
        let mut store = store.lock();
        store.count_out();
        // Whether somebody still wants it: nothing else is to be freed.
        let _wanted = store.stored(slot, Contents::default());
        return Put::Done;
    }
    if matches!(store.lock().backing, Backing::Disk(_)) {
        return put_on_disk(cpu, store, page, slot, frame);
    }
    // With no lock held: this takes longest.
    let Some(compressed) = Compressed::new(frame.bytes()) else { return Put::Refused(frame) };
    let sum = checksum(slot, compressed.bytes());
    let mut spare = Some(frame);
    let kept = store.lock().keep(slot, &compressed, sum, &mut spare);
    match spare {
        Some(frame) if !kept => Put::Refused(frame),
        _ => Put::Done,
    }
}

/// Frames of pages that are on their way to the disk: free in a moment.
#[must_use]
pub fn outgoing() -> u64 {
    OUTGOING.load(Ordering::Relaxed)
}

/// A page, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct OwnedPage<'program> {
    /// The program.
    pub program: &'program Arc<Program>,
    /// The page.
    pub page: VirtAddr,
}

fn put_on_disk(
    cpu: &ThisCpu,
    store: &Mutex<Store, rank::Store>,
    page: OwnedPage<'_>,
    slot: u32,
    mut frame: Frame,
) -> Put {
    let contents = Contents { checksum: checksum(slot, frame.bytes()), place: 0, length: PAGE_SIZE as u16 };
    let mut store = store.lock();
    if store.count_out() {
        frame.bytes_mut()[0] ^= 0x10;
    }
    let transfer = Transfer::new(Direction::Out, slot, contents, frame, page.program, page.page);
    let Some(disk) = store.disk() else { unreachable!("the store is on a disk") };
    match begin(cpu, disk, transfer) {
        Ok(()) => Put::Done,
        Err(transfer) => Put::Refused(transfer.frame),
    }
}

/// Reads a page into the frame and frees its slot. The address space whose page it is is locked, so that nobody else reads it.
pub fn fetch(store: &Mutex<Store, rank::Store>, slot: u32, mut frame: Frame) -> Fetched {
    // Kept out here, so that it is filled where it stays.
    let mut compressed = None;
    let contents = {
        let mut store = store.lock();
        let under_way = store.disk().is_some_and(|disk| disk.transfers().any(|transfer| transfer.slot == slot));
        if under_way {
            return Fetched::UnderWay;
        }
        if store.slots.state(slot) != State::Stored {
            return Fetched::NotYet;
        }
        let contents = store.slots.contents(slot);
        match &store.backing {
            _ if contents.length == 0 => contents,
            Backing::Disk(disk) if disk.is_dead() => return Fetched::Lost(PageLoss::InputOutput),
            Backing::Disk(_) => return Fetched::OnDisk(frame),
            Backing::Memory(pool) => {
                let room = compressed.insert(Compressed::empty(usize::from(contents.length)));
                pool.read(contents.place, room.bytes_mut());
                contents
            }
        }
    };
    let whole = match &compressed {
        None => {
            frame.zero();
            true
        }
        Some(compressed) => {
            checksum(slot, compressed.bytes()) == contents.checksum && compressed.decompress(frame.bytes_mut())
        }
    };
    let mut store = store.lock();
    if !whole {
        // The slot stays: what is in it belongs to its page until that goes.
        store.counts.corrupt += 1;
        return Fetched::Lost(PageLoss::Corrupt);
    }
    store.counts.back += 1;
    store.slots.done(slot);
    store.free_memory(contents);
    Fetched::Whole(frame)
}

/// A page that was swapped out goes for good.
pub fn release(token: u64) {
    if token == ZERO {
        ZERO_PAGES.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let Some(store) = store() else { unreachable!("no page is swapped out where nothing is swapped") };
    let (mut store, slot) = (store.lock(), token as u32);
    let contents = store.slots.contents(slot);
    if store.slots.release(slot) {
        store.free_memory(contents);
    }
}

/// Promises so many pages of zeros, to be had when they are touched; `false` if there is no room for so many.
#[must_use]
pub fn promise_zeros(pages: u64) -> bool {
    let Some(store) = store() else { return false };
    let room = store.lock().room();
    if ZERO_PAGES.load(Ordering::Relaxed).saturating_add(pages) > room {
        return false;
    }
    ZERO_PAGES.fetch_add(pages, Ordering::Relaxed);
    true
}

/// A page of zeros has got its frame.
pub fn zero_page_came() {
    ZERO_PAGES.fetch_sub(1, Ordering::Relaxed);
}

/// What programs may know.
#[must_use]
pub fn information() -> SwapInformation {
    let Some(store) = store() else { return SwapInformation::default() };
    let store = store.lock();
    let (kind, frames, frames_limit) = match &store.backing {
        Backing::Memory(pool) => (1, pool.frames(), pool.bound()),
        Backing::Disk(_) => (2, 0, 0),
    };
    SwapInformation {
        store: kind,
        slots: u64::from(store.slots.count()),
        slots_in_use: u64::from(store.slots.in_use()),
        frames: u64::from(frames),
        frames_limit: u64::from(frames_limit),
        pages_out: store.counts.out,
        pages_in: store.counts.back,
        corrupt: store.counts.corrupt,
        disk_errors: store.counts.disk_errors,
    }
}
