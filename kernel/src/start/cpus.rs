//! The blocks of all CPUs.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ptr::NonNull;

use gatehouse_core::memory::layout::PAGE_SIZE;
use percpu::{ApicId, AreaBuilder, BlockParts, CpuIndex, INTERRUPT_STACK_BYTES, IstStacks, Stack};
use smp::call::Exchange;
use smp::local_apic::{LocalApic, Pins};

use crate::arch::{self, Idle};
use crate::cpu::{self, Cpu};
use crate::facts::facts;
use crate::ipi::{self, CallPort, Operation};
use crate::memory::kernel_space::{allocate_stack, kernel_root};
use crate::memory::{self, frame, heap};
use crate::{sched, thread};

/// Bytes of each stack for entries that may arrive at any instant: their handlers print at most.
const IST_STACK_BYTES: u64 = 16 * 1024;
/// Bytes of the stack for ring-3 entries while no thread is set. None can happen: it is there to be found out.
const FALLBACK_STACK_BYTES: u64 = 4 * 1024;

/// Makes the blocks of the CPUs with these ids and interrupt pins, which all wait in the same way, in the order of their indices. They
/// are never freed.
///
/// # Panics
/// If memory runs out: says how much each CPU needs.
pub(super) fn make_blocks(cpus: impl Iterator<Item = (ApicId, Pins)>, apic: LocalApic, idle: Idle) -> Box<[Cpu]> {
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    let cpus: Vec<_> = cpus.collect();
    let before = bytes_in_use();
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    let exchange: &'static Exchange<Operation> = Box::leak(Box::new(Exchange::new(cpus.len() as u32)));
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    let blocks: Vec<_> = cpus
        .iter()
        .enumerate()
        .map(|(index, cpu)| {
            let index = CpuIndex::new(index as u32);
            let Some(port) = exchange.port(index) else { unreachable!("each CPU asks once for its port") };
            make_block(port, *cpu, (apic, idle))
        })
        .collect();
    facts().set_bytes_per_cpu((bytes_in_use() - before) / blocks.len().max(1) as u64);
    blocks.into()
}

/// Bytes of frames and heap that are in use. Only one CPU runs, so nothing comes between.
fn bytes_in_use() -> u64 {
    let (frames, heap) = (frame::counters(), heap::counters());
    (frames.total - frames.free - heap.frames) * PAGE_SIZE + heap.bytes_in_use
}

fn make_block(port: CallPort, (apic_id, pins): (ApicId, Pins), (apic, idle): (LocalApic, Idle)) -> Cpu {
    let index = port.index();
    let interrupt_stack = stack(index, INTERRUPT_STACK_BYTES);
    let stacks = IstStacks {
        nmi: [stack(index, IST_STACK_BYTES), stack(index, IST_STACK_BYTES)],
        double_fault: stack(index, IST_STACK_BYTES),
        machine_check: stack(index, IST_STACK_BYTES),
        debug: stack(index, IST_STACK_BYTES),
        machine_check_return: stack(index, IST_STACK_BYTES),
    };
    let fallback = stack(index, FALLBACK_STACK_BYTES);
    let parts = BlockParts { index, apic_id, interrupt_stack, stacks, fallback };
    let mut area = area(index);
    // What each owner of a variable knows only now.
    arch::prepare_cpu(&mut area);
    cpu::prepare_cpu(&mut area, apic_id, apic, pins);
    memory::prepare_cpu(&mut area, kernel_root());
    thread::prepare_cpu(&mut area, index);
    ipi::prepare_cpu(&mut area, port);
    sched::prepare_cpu(&mut area, index, idle.frame(interrupt_stack.top()));
    // SAFETY: the stacks are fresh and belong to this CPU alone.
    Cpu::new(unsafe { area.finish(parts) })
}

/// Memory for a CPU's variables.
fn area(index: CpuIndex) -> AreaBuilder {
    let layout = AreaBuilder::layout();
    // SAFETY: the layout has a size: the block is in it.
    let memory = NonNull::new(unsafe { alloc::alloc::alloc(layout) }).unwrap_or_else(|| {
        panic!("cannot start: no memory for the variables of CPU {index} ({} bytes a CPU)", layout.size())
    });
    // SAFETY: fresh memory of this layout, never given back; the heap is mapped in every address space.
    unsafe { AreaBuilder::new(memory) }
}

fn stack(index: CpuIndex, bytes: u64) -> Stack {
    let stack = allocate_stack(bytes).unwrap_or_else(|error| {
        let each = INTERRUPT_STACK_BYTES + 6 * IST_STACK_BYTES + FALLBACK_STACK_BYTES;
        panic!("cannot start: no memory for the stacks of CPU {index} ({each} bytes a CPU): {error}")
    });
    let (base, top) = (stack.base().as_u64(), stack.top().as_u64());
    core::mem::forget(stack);
    // SAFETY: the range was just allocated, and is never given back.
    unsafe { Stack::new(base, top) }
}
