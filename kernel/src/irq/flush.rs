//! Making other CPUs forget translations.
//!
//! The asker changes the page tables, then notes each target's flush number and pokes it; a flush that begins later has a
//! higher number and sees the change. It waits until that number is done, and meanwhile does what others ask of it, so
//! that two askers cannot wait for each other.
//!
//! The asker flushes its own TLB between the change and the look at the numbers. That instruction serialises, so the change
//! is visible to every CPU before a number is read: a flush that begins after cannot miss it.

use alloc::vec::Vec;

use percpu::CpuIndex;
use smp::ipi::Kind;
use x86_64::VirtAddr;

use crate::arch::x86_64::{flush_everything, flush_user};
use crate::cpu::{self, Block, ThisCpu};
use crate::lockdown;
use crate::program::Program;
use crate::sched::poke;
use crate::time;

/// How long a CPU may take: it answers with interrupts off for at most a system call, but its host may have other
/// plans. Nanoseconds.
const DEADLINE: u64 = 20_000_000_000;

/// Makes all CPUs forget what they know of the program's pages.
///
/// A CPU has a program's tables loaded only while it runs a thread of it, and loading other tables forgets all.
pub fn flush_program(cpu: &ThisCpu, program: &Program) {
    let mut targets = Vec::new();
    program.for_each_cpu(|index| {
        if index != cpu.index() && !targets.contains(&index) {
            targets.push(index);
        }
    });
    flush_user();
    ask(cpu, targets.into_iter().filter_map(cpu::by_index), false);
}

/// Makes all CPUs forget what they know of kernel pages.
pub fn flush_kernel_pages(start: VirtAddr, pages: u64) {
    crate::memory::kernel_space::flush_local(start, pages);
    let cpu = cpu::this();
    let others = (0..cpu::all().len() as u32).map(CpuIndex::new).filter(|index| *index != cpu.index());
    ask(&cpu, others.filter_map(cpu::by_index), true);
}

fn ask(cpu: &ThisCpu, targets: impl Iterator<Item = &'static Block>, global: bool) {
    let mut asked = Vec::new();
    for block in targets {
        asked.push((block, block.kernel().remote().ask_for_flush(global)));
        poke(cpu, block, Kind::TlbShootdown);
    }
    let deadline = time::nanoseconds_since_start() + DEADLINE;
    for (block, before) in asked {
        while block.kernel().remote().flushes_done() <= before {
            serve_flush(cpu);
            if time::nanoseconds_since_start() > deadline {
                lockdown::broken(format_args!("CPU {} does not answer a TLB shootdown", block.index()));
            }
            core::hint::spin_loop();
        }
    }
}

/// Flushes if anybody asked this CPU to. Leaves the other kinds pending, for the interrupt that is under way.
pub fn serve_flush(cpu: &ThisCpu) {
    cpu.kernel().remote().flush_if_wanted(|global| if global { flush_everything() } else { flush_user() });
}
