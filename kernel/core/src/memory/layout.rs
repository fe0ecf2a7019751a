//! Where things lie in the virtual address space.
//!
//! | from | to | what |
//! | --- | --- | --- |
//! | `0` | [`USER_END`] | user half: one per program |
//! | [`DIRECT_MAP_BASE`] | +64 TiB | all RAM, never executable |
//! | [`KERNEL_AREA_BASE`] | +512 GiB | heap, stacks and device memory |
//! | [`IMAGE_VIRTUAL_BASE`] | end | the kernel's image, linked 2 MiB above |
//!
//! Four-level paging; everything from [`KERNEL_HALF_BASE`] up is the same in all address spaces.

use gatehouse_abi::UTCB_BASE;

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: u64 = 4096;

/// Bytes in a large page, one entry of a page directory.
pub const LARGE_PAGE_SIZE: u64 = 2 * 1024 * 1024;

/// Lowest user address. Below, nothing is ever mapped: null pointers fault, also as the base of a structure or an array, and
/// nothing that the processor believes to find at a 16-bit offset from 0, as after RESET, can be a program's.
pub const USER_START: u64 = 0x1_0000;

/// One past the highest user address. The last canonical page below the gap stays unmapped: a SYSCALL at its end
/// would make the return address non-canonical.
pub const USER_END: u64 = 0x7fff_ffff_f000;

/// Bytes of a program's first stack.
pub const STACK_BYTES: u64 = 64 * 1024;

/// One past a program's first stack: a page below the end of user memory.
pub const STACK_TOP: u64 = USER_END - PAGE_SIZE;

/// One past the last message buffer that can exist. From [`UTCB_BASE`] to here programs cannot map or unmap anything.
pub const UTCB_END: u64 = UTCB_BASE + PAGE_SIZE * 0x10_0000;

const _: () = assert!(UTCB_END < USER_END);

/// Lowest address of the half that all address spaces share.
pub const KERNEL_HALF_BASE: u64 = 0xffff_8000_0000_0000;

/// Physical address 0 in the direct map of RAM.
pub const DIRECT_MAP_BASE: u64 = KERNEL_HALF_BASE;

/// Bytes that the direct map may cover: 64 TiB.
pub const DIRECT_MAP_SIZE: u64 = KERNEL_AREA_BASE - DIRECT_MAP_BASE;

/// Physical memory that the boot tables reach: 4 GiB.
pub const BOOT_DIRECT_MAP_SIZE: u64 = 4 * 1024 * 1024 * 1024;

/// The kernel's own area: one entry of the top-level table, 512 GiB.
pub const KERNEL_AREA_BASE: u64 = 0xffff_c000_0000_0000;

/// The heap grows from here, within [`HEAP_SIZE`] bytes.
pub const HEAP_BASE: u64 = KERNEL_AREA_BASE;

/// The most that the heap can hold: 64 GiB.
pub const HEAP_SIZE: u64 = 64 * 1024 * 1024 * 1024;

/// Stacks and device memory: the rest of the kernel's area.
pub const DYNAMIC_AREA_BASE: u64 = HEAP_BASE + HEAP_SIZE;

/// One past the last byte of the kernel's area.
pub const DYNAMIC_AREA_END: u64 = KERNEL_AREA_BASE + 512 * 1024 * 1024 * 1024;

/// Link address minus physical load address, when the loader honours physical addresses (PVH).
pub const IMAGE_VIRTUAL_BASE: u64 = 0xffff_ffff_8000_0000;
