//! TLB shootdown: no CPU uses a translation any more that the page tables no longer have.
//!
//! The caller has changed the page tables. First it flushes its own TLB; the instruction serialises, so the change is
//! visible to every CPU before another's word is read or a request is sent, and the flush there cannot miss it.

//!
//! A CPU that does not answer in time does not stop the others: what it may still reach is kept back for ever, and it forgets
//! everything before it goes back to a program.

use core::sync::atomic::{AtomicU64, Ordering};

use smp::tlb::Flush;
use x86_64::VirtAddr;

use super::call::{all_others, call_to_flush};
use crate::console;
use crate::cpu::{self, ThisCpu};
use crate::memory::LOADED_ROOT;

/// Pages that are kept back.
static KEPT_BACK: AtomicU64 = AtomicU64::new(0);

/// Tells that so many pages, which the caller has forgotten, are kept back, since a CPU may still reach them.
#[cold]
#[inline(never)]
pub fn keep_back(pages: u64) {
    let all = KEPT_BACK.fetch_add(pages, Ordering::Relaxed).saturating_add(pages);
    console::line(format_args!("memory: {pages} pages that a CPU may still reach are kept back, {all} in all"));
}

/// Makes all CPUs forget what they know of the pages of the program with this root. `false`: one may know them still.
#[must_use]
pub fn flush_program(cpu: &ThisCpu, root: u64) -> bool {
    flush_root(cpu, root, Flush::NonGlobal)
}

/// Makes all CPUs forget what they know of so many bytes of the program's memory. `false`: one may know them still.
#[must_use]
pub fn flush_program_range(cpu: &ThisCpu, root: u64, start: VirtAddr, length: u64) -> bool {
    let flush = match Flush::range(start, length) {
        // A program has no global pages.
        Flush::All => Flush::NonGlobal,
        flush => flush,
    };
    flush_root(cpu, root, flush)
}

/// Makes all CPUs forget what they know of one page of the program's memory. `false`: one may know it still.
#[inline(always)]
#[must_use]
pub fn flush_program_page(cpu: &ThisCpu, root: u64, page: VirtAddr) -> bool {
    flush_root(cpu, root, Flush::Range { start: page, pages: 1 })
}

/// Only a CPU that has the tables loaded, or is about to load them, can use them; to load others forgets all. An idle
/// CPU has the kernel's own.
#[inline(always)]
fn flush_root(cpu: &ThisCpu, root: u64, flush: Flush) -> bool {
    // SAFETY: ring 0 with interrupts off.
    unsafe { flush.apply() };
    let users = cpu::all().iter().copied().filter(|block| LOADED_ROOT.of(*block).may_translate_by(root));
    let mut others = users.filter(|block| block.index() != cpu.index()).peekable();
    others.peek().is_none() || call_to_flush(cpu, others, flush, "a TLB shootdown")
}

/// Makes all CPUs forget what they know of kernel pages. `false`: one may know them still.
#[must_use]
pub fn flush_kernel_pages(start: VirtAddr, pages: u64) -> bool {
    let cpu = cpu::this();
    let flush = Flush::range(start, pages.saturating_mul(gatehouse_core::memory::layout::PAGE_SIZE));
    // SAFETY: ring 0 with interrupts off.
    unsafe { flush.apply() };
    let flushed = call_to_flush(&cpu, all_others(cpu.index()), flush, "a TLB shootdown of kernel pages");
    if !flushed {
        keep_back(pages);
    }
    flushed
}
