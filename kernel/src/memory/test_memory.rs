//! Physical memory for host tests: an arena behind the direct map, and the global frame pool over it.

extern crate std;
use std::boxed::Box;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::vec;

use gatehouse_core::memory::layout::PAGE_SIZE;
use gatehouse_core::memory::{MemoryKind, MemoryMap, PhysicalRange};

const MIB: u64 = 1024 * 1024;
/// Bytes from physical address 0.
const LOW_SIZE: u64 = 64 * MIB;
/// Bytes from 4 GiB.
const HIGH_SIZE: u64 = 16 * MIB;
const HIGH_BASE: u64 = 4096 * MIB;

/// Where the arena shows the byte at `physical`.
pub fn pointer(physical: u64) -> *mut u8 {
    static ARENA: OnceLock<usize> = OnceLock::new();
    let base = ARENA.get_or_init(|| {
        let pages: Box<[Page]> =
            vec![Page([0xa5; PAGE_SIZE as usize]); ((LOW_SIZE + HIGH_SIZE) / PAGE_SIZE) as usize].into();
        Box::leak(pages).as_mut_ptr().expose_provenance()
    });
    let offset = match physical {
        low if low < LOW_SIZE => low,
        high if (HIGH_BASE..HIGH_BASE + HIGH_SIZE).contains(&high) => high - HIGH_BASE + LOW_SIZE,
        outside => panic!("{outside:#x} is not in the arena"),
    };
    core::ptr::with_exposed_provenance_mut(base + offset as usize)
}

#[derive(Clone)]
#[repr(C, align(4096))]
struct Page([u8; PAGE_SIZE as usize]);

/// Parts of the arena that the memory map leaves out: one in each zone, for tests that need memory of their own.
pub(super) const SPARE: [PhysicalRange; 3] = [
    PhysicalRange { start: 0x9_0000, end: 0xa_0000 },
    PhysicalRange { start: 0x3ff_0000, end: LOW_SIZE },
    PhysicalRange { start: HIGH_BASE + HIGH_SIZE - 0x1_0000, end: HIGH_BASE + HIGH_SIZE },
];

/// The arena as a memory map.
pub(super) fn memory_map() -> MemoryMap {
    let arena = [(0, LOW_SIZE, MemoryKind::Usable), (HIGH_BASE, HIGH_SIZE, MemoryKind::Usable)];
    let spare = SPARE.map(|range| (range.start, range.length(), MemoryKind::Reserved));
    MemoryMap::from_entries(arena.into_iter().chain(spare)).unwrap()
}

/// The global frame allocator over the arena, for one test at a time, so that counts are exact.
pub(crate) fn frames() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    static INITIALIZED: OnceLock<()> = OnceLock::new();
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    INITIALIZED.get_or_init(|| super::frame::initialize(&memory_map()));
    guard
}
