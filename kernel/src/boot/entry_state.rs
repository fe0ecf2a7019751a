//! What both boot protocols set up before Rust runs: a stack, a descriptor table and page tables, all in the image.

use core::arch::global_asm;
use core::cell::UnsafeCell;

use gatehouse_core::memory::layout::{DIRECT_MAP_BASE, IMAGE_VIRTUAL_BASE, LARGE_PAGE_SIZE, PAGE_SIZE};
use x86_64::PhysAddr;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::PhysFrame;

use crate::memory::boot_info::ImagePlacement;

/// Bytes of the stack that the first CPU starts on; a multiple of the page size, as the guard page lies right below. The
/// kernel leaves this stack for the CPU's interrupt stack. The boot's information, some 9 KiB, is moved several times: 55 KiB were
/// seen in use with the release profile and 100 KiB with the dev profile.
const BOOT_STACK_SIZE: usize = 256 * 1024;

/// Code segment selector of the boot descriptor table: 64 bits, ring 0.
pub(super) const BOOT_CODE_SELECTOR: u16 = 8;
/// Data segment selector of the boot descriptor table: ring 0.
pub(super) const BOOT_DATA_SELECTOR: u16 = 16;

/// Page table entry bits: present and writable (Intel SDM volume 3, "4-Level Paging").
const TABLE: u64 = 0b11;
/// The same, and the entry of a page directory maps 2 MiB.
const LARGE_PAGE: u64 = TABLE | 1 << 7;

/// Index of the entry of the top-level table that covers `address`.
const fn top_index(address: u64) -> usize {
    (address >> 39 & 511) as usize
}

// The assembly below counts on these.
const _: () = assert!(BOOT_STACK_SIZE.is_multiple_of(PAGE_SIZE as usize));
const _: () = assert!(top_index(DIRECT_MAP_BASE) == 256 && top_index(IMAGE_VIRTUAL_BASE) == 511);
const _: () = assert!(IMAGE_VIRTUAL_BASE >> 30 & 511 == 510);

global_asm!(
    // Stack. Grows down from `boot_stack_top`.
    ".pushsection .bss.boot_stack, \"aw\", @nobits",
    ".balign 4096",
    ".skip {stack_size}",
    ".global boot_stack_top",
    "boot_stack_top:",
    ".popsection",
    // Descriptors. Base and limit mean nothing in 64-bit mode; a descriptor holds type and privilege.
    ".pushsection .rodata.boot_gdt, \"a\"",
    ".balign 8",
    "boot_gdt:",
    ".quad 0",
    // Accessed bits are set: the processor does not write to this read-only table.
    ".quad 0x00af9b000000ffff", // code: present, ring 0, execute and read, 64-bit
    ".quad 0x00cf93000000ffff", // data: present, ring 0, read and write
    "boot_gdt_end:",
    // The two forms of the operand of LGDT: before and after the switch to link addresses.
    ".global boot_gdt_pointer_physical",
    "boot_gdt_pointer_physical:",
    ".word boot_gdt_end - boot_gdt - 1",
    ".long boot_gdt - {base}",
    ".balign 8",
    ".global boot_gdt_pointer",
    "boot_gdt_pointer:",
    ".word boot_gdt_end - boot_gdt - 1",
    ".quad boot_gdt",
    ".popsection",
    // Tables for PVH, where physical addresses are those of the linker script: all of the first 4 GiB by
    // identity and in the direct map, the first GiB at the image's base.
    ".pushsection .data.boot_tables, \"aw\"",
    ".balign 4096",
    ".global boot_top_table",
    "boot_top_table:",
    ".quad boot_low_pointer_table - {base} + {table}", // identity
    ".fill 255, 8, 0",
    ".quad boot_low_pointer_table - {base} + {table}", // direct map, entry 256
    ".fill 254, 8, 0",
    ".quad boot_image_pointer_table - {base} + {table}", // image, entry 511
    ".global boot_low_pointer_table",
    "boot_low_pointer_table:",
    ".quad boot_directories - {base} + {table}",
    ".quad boot_directories - {base} + 4096 + {table}",
    ".quad boot_directories - {base} + 8192 + {table}",
    ".quad boot_directories - {base} + 12288 + {table}",
    ".fill 508, 8, 0",
    "boot_image_pointer_table:",
    ".fill 510, 8, 0",
    ".quad boot_directories - {base} + {table}", // entry 510
    ".quad 0",
    ".global boot_directories",
    "boot_directories:",
    ".set boot_page, 0",
    ".rept 4 * 512",
    ".quad boot_page * {large_page_size} + {large_page}",
    ".set boot_page, boot_page + 1",
    ".endr",
    ".popsection",
    stack_size = const BOOT_STACK_SIZE,
    base = const IMAGE_VIRTUAL_BASE,
    table = const TABLE,
    large_page = const LARGE_PAGE,
    large_page_size = const LARGE_PAGE_SIZE,
);

/// A page table as the assembly above lays it out.
type Table = UnsafeCell<[u64; 512]>;

unsafe extern "C" {
    // Defined above.
    static boot_top_table: Table;
    static boot_low_pointer_table: Table;
    static boot_directories: Table;
}

/// Makes the boot tables fit an image that was not loaded at the addresses of the linker script, and loads them. The image
/// stays mapped by the loader's own tables; the loader's direct map and any identity mapping go away.
///
/// # Safety
/// The loader's 4-level tables are in force and show physical memory at `loader_direct_map`; `image` says where the image
/// is; no other CPU runs. From now on nothing is read through the loader's direct map.
pub(super) unsafe fn use_boot_tables(image: &ImagePlacement, loader_direct_map: u64) {
    let physical = |table: *const Table| (table as u64).wrapping_sub(image.virtual_offset);
    let loader_top = loader_direct_map.wrapping_add(Cr3::read().0.start_address().as_u64()) as *const [u64; 512];
    // SAFETY: the tables are in the image's writable data, and nothing else uses them: the tables in force are the
    // loader's, whose top level is readable through its direct map. The new tables show the image where it runs,
    // stack included, by the loader's own lower tables.
    unsafe {
        let low = &mut *boot_low_pointer_table.get();
        for (index, entry) in low.iter_mut().take(4).enumerate() {
            *entry = physical((&raw const boot_directories).wrapping_add(index)) | TABLE;
        }
        let top = &mut *boot_top_table.get();
        *top = [0; 512];
        top[top_index(DIRECT_MAP_BASE)] = physical(&raw const boot_low_pointer_table) | TABLE;
        top[top_index(IMAGE_VIRTUAL_BASE)] = (*loader_top)[top_index(IMAGE_VIRTUAL_BASE)];
        let root = PhysFrame::containing_address(PhysAddr::new(physical(&raw const boot_top_table)));
        Cr3::write(root, Cr3Flags::empty());
    }
}
