//! One x86-64 CPU's trap state: what the processor and the entry code must find before any Rust runs.
//!
//! ```text
//!   GS base ──► ProcessorBlock<K>
//!               ├─ Header           fixed offsets, known to assembly
//!               │   ├─ self pointer, CPU index, APIC id
//!               │   ├─ interrupt stack top ──► 256 KiB interrupt stack (guard page below)
//!               │   ├─ user RSP scratch, IST depth
//!               │   ├─ TSS: rsp0 ──► end of the running thread's save area
//!               │   │       IST1..4 ──► NMI, double fault, machine check, debug stacks (guard pages below)
//!               │   │                    the word at each top points back to the block
//!               │   ├─ GDT
//!               │   └─ entries by vector
//!               └─ K                 the kernel's own record
//! ```
//!
//! Invariants:
//! * A block never moves and is never freed: the processor keeps pointers to it.
//! * Entry code that may run at any instant (NMI, #DB, #DF, #MC) finds the block through the stack it runs on, never
//!   through GS: user code can put anything into the GS base.
//! * Interrupts are enabled only by holders of a [`TrapsReady`], which only [`ProcessorBlock::init`] makes.
//!
//! The crate knows nothing of the kernel that uses it: that is the type parameter `K`.
#![no_std]

mod block;
mod counters;
mod entry_top;
mod gdt;
mod gs;
mod held_locks;
mod id;
mod ist;
mod ready;
mod stack;
mod tss;

pub use block::{BlockParts, Header, ProcessorBlock, offsets};
pub use counters::EntryCounters;
pub use entry_top::{EntryTop, Misaligned};
pub use gdt::{
    KERNEL_CODE, KERNEL_DATA, STAR_SYSCALL_BASE, STAR_SYSRET_BASE, SegmentTable, TASK_STATE, USER_CODE, USER_DATA,
};
pub use gs::current;
pub use held_locks::{lock_is_released, lock_is_taken, use_early_block};
pub use id::{ApicId, CpuIndex};
pub use ist::{IST_LINK_BYTES, IstSlot, IstStacks};
pub use ready::TrapsReady;
pub use stack::{INTERRUPT_STACK_BYTES, Stack};
pub use tss::TaskState;
