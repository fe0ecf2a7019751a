//! TLB shootdown: no CPU uses a translation any more that the page tables no longer have.
//!
//! The caller has changed the page tables. First it flushes its own TLB; the instruction serialises, so the change is
//! visible to every CPU before another's word is read or a request is sent, and the flush there cannot miss it.

use smp::tlb::Flush;
use x86_64::VirtAddr;

use super::call::{Operation, all_others, call_or_lock_down};
use crate::cpu::{self, ThisCpu};
use crate::program::Program;

/// Makes all CPUs forget what they know of the program's pages.
pub fn flush_program(cpu: &ThisCpu, program: &Program) {
    flush_root(cpu, program.root(), Flush::NonGlobal);
}

/// Makes all CPUs forget what they know of so many bytes of the program's memory.
pub fn flush_program_range(cpu: &ThisCpu, program: &Program, start: VirtAddr, length: u64) {
    let flush = match Flush::range(start, length) {
        // A program has no global pages.
        Flush::All => Flush::NonGlobal,
        flush => flush,
    };
    flush_root(cpu, program.root(), flush);
}

/// Makes all CPUs forget what they know of one page of the program's memory.
#[inline(always)]
pub fn flush_program_page(cpu: &ThisCpu, program: &Program, page: VirtAddr) {
    flush_root(cpu, program.root(), Flush::Range { start: page, pages: 1 });
}

/// Only a CPU that has the tables loaded, or is about to load them, can use them; to load others forgets all. An idle
/// CPU has the kernel's own.
#[inline(always)]
fn flush_root(cpu: &ThisCpu, root: u64, flush: Flush) {
    // SAFETY: ring 0 with interrupts off.
    unsafe { flush.apply() };
    let users = cpu::all().iter().copied().filter(|block| block.kernel().remote().may_translate_by(root));
    let mut others = users.filter(|block| block.index() != cpu.index()).peekable();
    if others.peek().is_some() {
        call_or_lock_down(cpu, others, Operation::Flush(flush), "a TLB shootdown");
    }
}

/// Makes all CPUs forget what they know of kernel pages.
pub fn flush_kernel_pages(start: VirtAddr, pages: u64) {
    let cpu = cpu::this();
    let flush = Flush::range(start, pages.saturating_mul(crate::memory::layout::PAGE_SIZE));
    // SAFETY: ring 0 with interrupts off.
    unsafe { flush.apply() };
    call_or_lock_down(&cpu, all_others(cpu.index()), Operation::Flush(flush), "a TLB shootdown of kernel pages");
}
