//! Makes descriptors of its own where a local descriptor table begins that nobody has set: at address 0, where RESET and INIT
//! leave it, with a limit that reaches to 0xffff. There is no such table, so none of its selectors leads anywhere: a far call
//! through a gate (argument 0), a far jump through one (1), DS (2), FS (3) and SS (4). Nor can a program have the pages (5).
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::arch::naked_asm;

use gatehouse_runtime::abi::Error;
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::{Kernel, entry};
use programs::{LOCAL_CALL_GATE, LOCAL_DATA, check, enter_site, sites};

entry!(run);

/// The kernel's code segment: what a gate of an attacker would lead to.
const KERNEL_CODE: u64 = 8;
/// A segment of data, for ring 3, as in any flat table.
const DATA_DESCRIPTOR: u64 = 0x00cf_f300_0000_ffff;

/// The operand of a far call: an offset, which a gate ignores, and a selector.
#[repr(C, packed)]
struct FarPointer(u32, u16);

static GATE: FarPointer = FarPointer(0, LOCAL_CALL_GATE);

/// The argument for looking at the pages alone.
const NO_PAGES: u64 = 5;
/// The first page that a program may have lies behind what such a table would reach.
const FIRST_PAGE: u64 = 16;

fn run(argument: u64) -> u64 {
    for page in 1..FIRST_PAGE {
        let mapped = Kernel::map_memory(page * PAGE_SIZE, PAGE_SIZE);
        if argument == NO_PAGES {
            check!(mapped == Err(Error::InvalidArgument), "page {page}: {mapped:?}");
        } else if mapped.is_ok() {
            write_descriptors(page * PAGE_SIZE);
        }
    }
    if argument == NO_PAGES {
        return 0;
    }
    // SAFETY: the suite gives only numbers of the sites below.
    unsafe { enter_site(argument, &raw const GATE as u64) }
}

const _: () = assert!(LOCAL_DATA == 0x1017, "the sites have the selector in their text");

/// Fills the page with what the selectors of this test would name if a table began at 0.
fn write_descriptors(page: u64) {
    let place = |selector: u16| (page + (u64::from(selector) & !7) % PAGE_SIZE) as *mut u64;
    let target = reached as *const () as u64;
    // Offset 15:0, selector, present, DPL 3, a 64-bit call gate, offset 31:16; then offset 63:32.
    let low = target & 0xffff | KERNEL_CODE << 16 | 0xec << 40 | (target >> 16 & 0xffff) << 48;
    // SAFETY: the page has just been mapped for this, writable, and nothing else knows of it.
    unsafe {
        place(LOCAL_CALL_GATE).write(low);
        place(LOCAL_CALL_GATE).add(1).write(target >> 32);
        place(LOCAL_DATA).write(DATA_DESCRIPTOR);
    }
}

/// Where the gate leads: in ring 0, were there one. Goes back to ring 3, where the site ends as one that no trap stopped.
///
/// # Safety
/// Only a far call through the gate may come here.
#[unsafe(naked)]
unsafe extern "C" fn reached() {
    naked_asm!("retfq")
}

sites! {
    0 => "call fword ptr [rdi]",
    1 => "jmp fword ptr [rdi]",
    2 => "mov eax, 0x1017\nmov ds, eax",
    3 => "mov eax, 0x1017\nmov fs, eax",
    4 => "mov eax, 0x1017\nmov ss, eax",
}
