//! Host tests on the arena of `test_memory`: the tables are real, only no processor walks them.

extern crate std;
use std::sync::OnceLock;
use std::vec::Vec;

use gatehouse_abi::BootProtocol;
use gatehouse_core::command_line::CommandLine;
use gatehouse_core::memory::layout::{DIRECT_MAP_BASE, LARGE_PAGE_SIZE, PAGE_SIZE};
use gatehouse_core::memory::{MemoryKind, PhysicalRange};
use x86_64::structures::paging::{PageTable, PageTableFlags};
use x86_64::{PhysAddr, VirtAddr};

use super::tables::tables;
use super::*;
use crate::memory::boot_info::{BootInfo, ImagePlacement, ImageSegment, ImageSegments};
use crate::memory::frame::{self, Frame};
use crate::memory::{AddressSpace, direct_map, test_memory};

const IMAGE: u64 = 0xffff_ffff_8020_0000;
/// Nothing touches the frames of these two: the tables only speak of them.
const IMAGE_PHYSICAL: PhysicalRange = PhysicalRange { start: 0x3e0_0000, end: 0x3e0_6000 };
const ARCHIVE: PhysicalRange = PhysicalRange { start: 0x3c0_1000, end: 0x3c0_3000 };

const PRESENT: PageTableFlags = PageTableFlags::PRESENT;
const WRITE: PageTableFlags = PageTableFlags::WRITABLE;
const NO_EXECUTE: PageTableFlags = PageTableFlags::NO_EXECUTE;

fn kernel() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let segment = |first: u64, end: u64| ImageSegment { start: IMAGE + first * 0x1000, end: IMAGE + end * 0x1000 };
        let segments = ImageSegments { text: segment(0, 2), rodata: segment(2, 3), data: segment(3, 6) };
        let mut memory = test_memory::memory_map();
        memory.set(IMAGE_PHYSICAL, MemoryKind::Image).unwrap();
        memory.set(ARCHIVE, MemoryKind::Archive).unwrap();
        let boot = BootInfo {
            protocol: BootProtocol::Pvh,
            memory,
            image: ImagePlacement {
                physical: IMAGE_PHYSICAL,
                virtual_offset: IMAGE.wrapping_sub(IMAGE_PHYSICAL.start),
                segments,
            },
            command_line: CommandLine::default(),
            rsdp: 0xf_5000,
            archive: Some(ARCHIVE),
            overwritten: None,
        };
        build(&boot);
        finish();
    });
}

/// A last entry: virtual address, physical address, size of the page, bits.
type Leaf = (u64, u64, u64, PageTableFlags);

/// All last entries below the table at `table`, as the processor would find them.
fn leaves(table: PhysAddr, level: u32, base: u64, found: &mut Vec<Leaf>) {
    // SAFETY: the tests run one at a time, and the table is live.
    let entries = unsafe { &*direct_map::pointer(table.as_u64()).cast::<PageTable>() };
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.flags().contains(PRESENT)) {
        let size = PAGE_SIZE << (9 * (level - 1));
        let address = base + index as u64 * size;
        let address = if level == 4 && index >= 256 { address | 0xffff << 48 } else { address };
        if level == 1 || entry.flags().contains(PageTableFlags::HUGE_PAGE) {
            found.push((address, entry.addr().as_u64(), size, entry.flags()));
        } else {
            leaves(entry.addr(), level - 1, address, found);
        }
    }
}

fn all_leaves(root: PhysAddr) -> Vec<Leaf> {
    let mut found = Vec::new();
    leaves(root, 4, 0, &mut found);
    found
}

fn leaf_at(address: u64) -> Option<Leaf> {
    all_leaves(kernel_root()).into_iter().find(|(start, _, size, _)| (*start..start + size).contains(&address))
}

#[test]
fn the_half_is_as_designed() {
    let _guard = test_memory::frames();
    kernel();
    let found = all_leaves(kernel_root());
    for (address, physical, _, flags) in &found {
        assert!(*address >= DIRECT_MAP_BASE, "{address:#x} is in the user half");
        assert!(flags.contains(PageTableFlags::GLOBAL) && !flags.contains(PageTableFlags::USER_ACCESSIBLE));
        assert!(!flags.contains(WRITE) || flags.contains(NO_EXECUTE), "{address:#x} is writable and executable");
        if *address < 0xffff_c000_0000_0000 {
            assert_eq!(*physical, address - DIRECT_MAP_BASE);
            assert!(flags.contains(NO_EXECUTE));
        }
    }
    let image: Vec<_> = found.iter().filter(|leaf| leaf.0 >= IMAGE).collect();
    let expected = [PageTableFlags::empty(), PageTableFlags::empty(), NO_EXECUTE, NO_EXECUTE | WRITE];
    assert_eq!(image.len(), 6);
    for (index, (address, physical, size, flags)) in image.into_iter().enumerate() {
        assert_eq!(*address, IMAGE + index as u64 * PAGE_SIZE);
        assert_eq!((*physical, *size), (IMAGE_PHYSICAL.start + index as u64 * PAGE_SIZE, PAGE_SIZE));
        assert_eq!(*flags & (NO_EXECUTE | WRITE), expected[index.min(3)]);
    }
    let direct = |physical: u64| leaf_at(DIRECT_MAP_BASE + physical);
    assert_eq!(direct(IMAGE_PHYSICAL.start), None, "the image has one mapping");
    assert_eq!(direct(0xf000), None, "what the firmware may write is left out");
    assert_eq!(direct(0xf000_0000), None, "no memory there");
    assert_eq!(direct(ARCHIVE.start).unwrap().3 & (WRITE | NO_EXECUTE), NO_EXECUTE);
    assert_eq!(direct(0x40_0000).unwrap().2, LARGE_PAGE_SIZE);
    assert_eq!(direct(0x3c0_0000).unwrap().2, PAGE_SIZE, "ragged ends have small pages");
    assert_eq!(direct(0x1_0000_0000).unwrap().3 & (WRITE | NO_EXECUTE), WRITE | NO_EXECUTE);
}

fn counters_total() -> u64 {
    frame::counters().total
}

fn frames_in_use() -> u64 {
    let counters = frame::counters();
    counters.total - counters.free
}

#[test]
fn stacks_have_a_guard_and_come_back() {
    let _guard = test_memory::frames();
    kernel();
    drop(allocate_stack(1).unwrap()); // page tables for the area stay
    let before = frames_in_use();
    let stack = allocate_stack(0x3001).unwrap();
    assert_eq!(frames_in_use(), before + 4);
    assert_eq!(stack.top() - stack.base(), 0x4000);
    assert_eq!(stack.base() - stack.guard(), PAGE_SIZE);
    let present = |address: VirtAddr| leaf_at(address.as_u64()).map(|leaf| leaf.3 & (WRITE | NO_EXECUTE));
    assert_eq!(present(stack.guard()), None);
    assert_eq!(present(stack.base()), Some(WRITE | NO_EXECUTE));
    assert_eq!(present(stack.top() - 1), Some(WRITE | NO_EXECUTE));
    let base = stack.base();
    let other = allocate_stack(0x1000).unwrap();
    assert!(other.guard() >= stack.top());
    drop(stack);
    assert_eq!(present(base), None);
    assert_eq!(allocate_stack(0x4000).unwrap().base(), base, "addresses are used again");
    drop(other);
    assert_eq!(frames_in_use(), before);
    assert!(matches!(allocate_stack(0), Err(KernelMapError::BadRange { .. })));
    assert!(matches!(allocate_stack(u64::MAX), Err(KernelMapError::BadRange { .. })));
    assert!(matches!(allocate_stack(1 << 40), Err(KernelMapError::OutOfAddresses(_))));
    assert_eq!(allocate_stack(1 << 30).unwrap_err(), KernelMapError::OutOfFrames);
    let tables_at_most = counters_total() * PAGE_SIZE / LARGE_PAGE_SIZE + 2;
    assert!(frames_in_use() - before <= tables_at_most, "only page tables stay after a failure");
}

#[test]
fn device_memory_is_uncached_and_no_ram() {
    let _guard = test_memory::frames();
    kernel();
    let uncached = PageTableFlags::NO_CACHE | PageTableFlags::WRITE_THROUGH;
    let address = map_mmio(PhysAddr::new(0xfee0_0ff0), 0x20).unwrap();
    assert_eq!(address.as_u64() % PAGE_SIZE, 0xff0);
    for (offset, physical) in [(0, 0xfee0_0000), (0x1f, 0xfee0_1000)] {
        let (_, mapped, _, flags) = leaf_at(address.as_u64() + offset).unwrap();
        assert_eq!(mapped, physical);
        assert!(flags.contains(uncached | WRITE | NO_EXECUTE));
    }
    assert!(matches!(map_mmio(PhysAddr::new(0x40_0000), 4), Err(KernelMapError::IsMemory(_))));
    for (start, length) in [(0xfee0_0000, 0), (0xfee0_0000, u64::MAX), ((1 << 52) - 4, 8)] {
        let bad = KernelMapError::BadRange { start, length };
        assert_eq!(map_mmio(PhysAddr::new(start), length).unwrap_err(), bad);
    }
    let table = map_firmware(PhysAddr::new(0xf_5b04), 36).unwrap();
    let (at, length) = (table.address().as_u64(), table.length());
    let (_, mapped, _, flags) = leaf_at(at).unwrap();
    assert_eq!((mapped, at % PAGE_SIZE, length), (0xf_5000, 0xb04, 36));
    assert_eq!(flags & (uncached | WRITE | NO_EXECUTE), NO_EXECUTE);
    drop(table);
    assert_eq!(leaf_at(at), None);
}

#[test]
fn address_spaces_share_the_half() {
    let _guard = test_memory::frames();
    kernel();
    drop(allocate_stack(1).unwrap()); // page tables for the area stay
    let before = frames_in_use();
    let mut space = AddressSpace::new().unwrap();
    space
        .map(VirtAddr::new(0x40_0000), Frame::allocate().unwrap(), gatehouse_core::memory::Rights::ReadExecute)
        .unwrap();
    let later = map_mmio(PhysAddr::new(0xfec0_0000), 4).unwrap();
    let own = all_leaves(space.root());
    assert_eq!(own[0].0, 0x40_0000);
    assert_eq!(own[1..], all_leaves(kernel_root())[..], "what the kernel maps later is seen too");
    assert!(own.iter().any(|leaf| leaf.0 == later.as_u64()));
    drop(space);
    assert_eq!(frames_in_use(), before);
}

#[test]
fn a_trampoline_is_seen_at_its_physical_address() {
    let _guard = test_memory::frames();
    kernel();
    let before = frames_in_use();
    let root = trampoline_root(PhysAddr::new(0x8000)).unwrap();
    let own = all_leaves(PhysAddr::new(root.address().into()));
    let (address, physical, size, flags) = own[0];
    assert_eq!((address, physical, size), (0x8000, 0x8000, PAGE_SIZE));
    assert_eq!(
        flags & (WRITE | NO_EXECUTE | PageTableFlags::USER_ACCESSIBLE | PageTableFlags::GLOBAL),
        PageTableFlags::empty()
    );
    assert_eq!(own[1..], all_leaves(kernel_root())[..]);
    drop(root);
    assert_eq!(frames_in_use(), before);
    assert!(tables().frames() > 3);
}
