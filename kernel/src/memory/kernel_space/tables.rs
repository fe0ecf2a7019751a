//! The kernel's page tables: how they are built from what the loader said, and the locks on them.

use gatehouse_core::memory::layout::{
    DIRECT_MAP_BASE, DYNAMIC_AREA_BASE, DYNAMIC_AREA_END, KERNEL_AREA_BASE, LARGE_PAGE_SIZE, PAGE_SIZE,
};
use gatehouse_core::memory::{MemoryKind, PhysicalRange, Rights};
use spin::Once;
use x86_64::structures::paging::PageTableFlags;
use x86_64::{PhysAddr, VirtAddr};

use super::virtual_area::VirtualArea;
use crate::memory::boot_info::BootInfo;
use crate::memory::frame::{Frame, OutOfFrames};
use crate::memory::page_tables::PageTables;
use crate::memory::rights;
use crate::sync::{Mutex, MutexGuard, rank};

/// The kernel's page tables. Taken for a moment only, never while memory is allocated from the heap: the heap itself
/// takes it when it grows.
static TABLES: Once<Mutex<PageTables, rank::Tables>> = Once::new();
/// Free addresses of the dynamic area.
static AREA: Once<Mutex<VirtualArea, rank::Area>> = Once::new();
static ROOT: Once<PhysAddr> = Once::new();

/// Builds the kernel's tables. Frames come from below 4 GiB, which is what the boot tables reach.
///
/// # Panics
/// When memory is short, or on a second call.
pub(in crate::memory) fn build(boot: &BootInfo) {
    assert!(!TABLES.is_completed(), "the kernel's page tables were built already");
    let tables = build_tables(boot).unwrap_or_else(|error| panic!("building the kernel's page tables: {error}"));
    ROOT.call_once(|| tables.root());
    TABLES.call_once(|| Mutex::new(tables));
}

fn build_tables(boot: &BootInfo) -> Result<PageTables, OutOfFrames> {
    let mut tables = PageTables::new(Frame::allocate_below_4g)?;
    for (segment, rights) in boot.image.segments.all() {
        let physical = segment.start.wrapping_sub(boot.image.virtual_offset);
        let range = PhysicalRange { start: physical, end: physical + (segment.end - segment.start) };
        map_range(&mut tables, segment.start, range, rights::kernel_flags(rights))?;
    }
    // Neighbours with the same rights count as one range: more of it fits large pages.
    let mut run: Option<(PhysicalRange, Rights)> = None;
    for region in boot.memory.regions() {
        let rights = match region.kind {
            MemoryKind::Image => continue,
            MemoryKind::Archive => Rights::Read,
            kind if kind.is_memory() => Rights::ReadWrite,
            _ => continue,
        };
        run = match run {
            Some((range, same)) if same == rights && range.end == region.range.start => {
                Some((PhysicalRange { start: range.start, end: region.range.end }, rights))
            }
            other => {
                map_run(&mut tables, other)?;
                Some((region.range, rights))
            }
        };
    }
    map_run(&mut tables, run)?;
    tables.create_second_level(VirtAddr::new(KERNEL_AREA_BASE))?;
    Ok(tables)
}

fn map_run(tables: &mut PageTables, run: Option<(PhysicalRange, Rights)>) -> Result<(), OutOfFrames> {
    run.map_or(Ok(()), |(range, rights)| {
        map_range(tables, DIRECT_MAP_BASE + range.start, range, rights::kernel_flags(rights))
    })
}

/// Maps whole pages at `address`, with large pages where both addresses allow it.
fn map_range(
    tables: &mut PageTables,
    address: u64,
    range: PhysicalRange,
    flags: PageTableFlags,
) -> Result<(), OutOfFrames> {
    let mut at = range.start;
    while at < range.end {
        let virtual_address = VirtAddr::new(address + (at - range.start));
        let fits = |address: u64| address.is_multiple_of(LARGE_PAGE_SIZE);
        if fits(at) && fits(virtual_address.as_u64()) && range.end - at >= LARGE_PAGE_SIZE {
            let entry = tables.large_entry_or_create(virtual_address)?;
            entry.set_addr(PhysAddr::new(at), flags | PageTableFlags::HUGE_PAGE);
            at += LARGE_PAGE_SIZE;
        } else {
            let entry = tables.entry_or_create(virtual_address)?;
            entry.set_addr(PhysAddr::new(at), flags);
            at += PAGE_SIZE;
        }
    }
    Ok(())
}

/// Lets tables come from any memory and opens the dynamic area. The final tables are in force, and the heap works.
pub(in crate::memory) fn finish() {
    tables().set_source(Frame::allocate_zeroed);
    let Ok(all) = VirtualArea::new(DYNAMIC_AREA_BASE, DYNAMIC_AREA_END) else {
        panic!("no memory for the list of addresses")
    };
    AREA.call_once(|| Mutex::new(all));
}

/// The tables, locked.
pub(super) fn tables() -> MutexGuard<'static, PageTables, rank::Tables> {
    TABLES.get().expect("the kernel's page tables are not built").lock()
}

/// The free addresses, locked.
pub(super) fn area() -> MutexGuard<'static, VirtualArea, rank::Area> {
    AREA.get().expect("kernel memory is not initialized").lock()
}

/// Physical address of the kernel's own top-level table: what CR3 holds when no program runs.
///
/// # Panics
/// Before [`initialize`](crate::memory::initialize).
#[must_use]
pub fn kernel_root() -> PhysAddr {
    *ROOT.get().expect("the kernel's page tables are not built")
}

/// Copies the kernel's half into `other`.
pub(in crate::memory) fn share_kernel_half(other: &mut PageTables) {
    other.share_kernel_half(&tables());
}

/// Maps fresh frames at `address`, as many as there are; answers how many bytes were mapped and how many frames that
/// took, tables included. For the heap: takes no memory from it.
pub(in crate::memory) fn map_heap(address: u64, length: u64) -> (u64, u64) {
    let mut tables = tables();
    let tables_before = tables.frames();
    let mut mapped = 0;
    while mapped < length {
        let Ok(entry) = tables.entry_or_create(VirtAddr::new(address + mapped)) else { break };
        let Ok(frame) = Frame::allocate() else { break };
        entry.set_addr(frame.into_raw(), rights::kernel_flags(Rights::ReadWrite));
        mapped += PAGE_SIZE;
    }
    (mapped, mapped / PAGE_SIZE + tables.frames() - tables_before)
}
