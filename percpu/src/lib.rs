//! One x86-64 CPU's trap state: what the processor and the entry code must find before any Rust runs; and per-CPU variables.
//!
//! ```text
//!   GS base ──► ProcessorBlock        fixed offsets, known to assembly
//!               ├─ own address, anchor ──► this CPU's copy of all per-CPU variables, the block among them
//!               ├─ interrupt stack top ──► 256 KiB interrupt stack (guard page below)
//!               ├─ user RSP scratch, IST depth, locks held
//!               ├─ TSS: rsp0 ──► end of the running thread's save area
//!               │       IST1..4 ──► NMI, double fault, machine check, debug stacks (guard pages below)
//!               │                    the word at each top points back to the block
//!               ├─ GDT, CPU index, APIC id
//!               └─ entries by vector
//! ```
//!
//! What else a kernel keeps for each CPU it declares where it is used, by [`per_cpu!`]: a static of which each CPU has a copy.
//!
//! Invariants:
//! * An [`Area`] and the block in it never move and are never freed: the processor keeps pointers to them.
//! * Entry code that may run at any instant (NMI, #DB, #DF, #MC) finds the block through the stack it runs on, never
//!   through GS: user code can put anything into the GS base.
//! * A [`TrapsReady`], which only [`ProcessorBlock::init`] makes, proves that a CPU may take interrupts.
//! * A variable is reached through an [`Area`], and there is none before all of its variables have their initial values.
//!
//! # The entry contract
//!
//! What the kernel's entry code, for which the IDT's gates stand, must do. Each rule guards against an entry that comes between
//! two instructions of another; a kernel that breaks one works until then.
//!
//! 1. **Slots.** The gates of NMI, #DF, #MC and #DB name the slots of [`IstSlot`], and no other gate names one.
//! 2. **The block.** An entry through a slot finds the block by the link: the word right above what the processor pushed, that is
//!    at the stack's top less [`IST_LINK_BYTES`] (the lower of the two words there; the upper is unused). It
//!    asks neither GS nor the segment of CS for it: user code sets GS to anything, and an entry may come between `swapgs` and
//!    what goes with it.
//! 3. **The interrupt stack.** An entry *not* through a slot that interrupted ring 0 goes to the interrupt stack only if RSP is not
//!    on it already, *and* [`offsets::IST_DEPTH`] is 0. While a handler runs on an IST stack, the interrupt stack may hold what that
//!    handler interrupted: an exception in it stays on the stack in use. An entry from ring 3 goes there always.
//! 4. **The depth.** An entry through a slot calls [`ProcessorBlock::enter_ist`] before anything in it can fault, and
//!    [`ProcessorBlock::leave_ist`] after the last that can.
//! 5. **Two NMI stacks.** The NMI handler's first act is [`ProcessorBlock::alternate_nmi_stack`] with the address of its frame. An
//!    NMI nests in another if its frame says that ring 0 was interrupted, *and*
//!    [`ProcessorBlock::on_nmi_stack`] holds for the RSP in it. The RSP alone says nothing: user code can load any value.
//! 6. **Ring 3.** An entry from ring 3 not through a slot runs on what [`ProcessorBlock::set_privilege_stack`] was told last.
//!
//! The crate knows nothing of the kernel that uses it.
#![no_std]

mod area;
mod block;
mod counters;
mod entry_top;
mod gdt;
mod gs;
mod held_locks;
#[cfg(target_os = "linux")]
pub mod host;
mod id;
mod ist;
mod ready;
mod stack;
mod tss;
mod variable;

pub use area::{Area, AreaBuilder};
pub use block::{BlockParts, ProcessorBlock, offsets};
pub use counters::EntryCounters;
pub use entry_top::{EntryTop, Misaligned};
pub use gdt::{
    KERNEL_CODE, KERNEL_DATA, STAR_SYSCALL_BASE, STAR_SYSRET_BASE, SegmentTable, TASK_STATE, USER_CODE, USER_DATA,
};
pub use held_locks::{
    LockRank, LockSite, forget_held_locks, held_locks, hold_highest_lock, hold_lock, let_lock_go, use_early_block,
};
pub use id::{ApicId, CpuIndex};
pub use ist::{IST_LINK_BYTES, IstSlot, IstStacks};
pub use ready::TrapsReady;
pub use stack::{INTERRUPT_STACK_BYTES, Stack};
pub use tss::TaskState;
pub use variable::{Cpu, CpuLocal, CpuShared, LINE_BYTES, OwnCpu, PerCpu};
