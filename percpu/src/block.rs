//! The processor information block.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, FS, GS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::registers::model_specific::{FsBase, GsBase, KernelGsBase};
use x86_64::structures::gdt::SegmentSelector;
use x86_64::structures::idt::InterruptDescriptorTable;

use crate::area::Area;
use crate::counters::EntryCounters;
use crate::entry_top::EntryTop;
use crate::gdt::{KERNEL_CODE, KERNEL_DATA, SegmentTable, TASK_STATE, segment_table};
use crate::id::{ApicId, CpuIndex};
use crate::ist::{IstSlot, IstStacks, entry, link};
use crate::ready::TrapsReady;
use crate::stack::Stack;
use crate::tss::{PRIVILEGE_STACK, TaskState};

/// One CPU's trap state: what assembly and the processor find at fixed offsets from the GS base. Only the owning CPU writes to it.
///
/// It is the first of the per-CPU variables: [`Area::block`] finds that of any CPU, and an [`AreaBuilder`](crate::AreaBuilder) makes it
/// of [`BlockParts`].
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ProcessorBlock {
    /// The block's own address.
    self_pointer: AtomicU64,
    /// What is added to a per-CPU variable's address in the template for that of this CPU's copy, so that one GS-relative load leads
    /// to all of them.
    anchor: AtomicU64,
    /// Where the entry code puts RSP before it calls Rust.
    interrupt_stack_top: AtomicU64,
    /// SYSCALL keeps the user's RSP here for three instructions.
    user_stack_pointer: AtomicU64,
    /// How many NMI, #DB, #DF or #MC handlers are running on this CPU, one inside the other.
    ist_depth: AtomicU32,
    /// Puts the TSS at an address that is 4 modulo 8, so that `rsp0` is aligned.
    task_state_padding: u32,
    /// The locks that this CPU holds, or is waiting for: a bit for each rank.
    locks_held: AtomicU32,
    task_state: TaskState,
    segments: UnsafeCell<SegmentTable>,
    index: CpuIndex,
    apic_id: ApicId,
    interrupt_stack: Stack,
    stacks: IstStacks,
    fallback: EntryTop,
    entries: EntryCounters,
}

// SAFETY: `segments` is written once, by `init`, and read by the processor and by nobody else; the rest is atomic, constant, or
// Sync by itself.
unsafe impl Sync for ProcessorBlock {}

/// Offsets from the GS base, for assembly.
pub mod offsets {
    use super::{EntryCounters, PRIVILEGE_STACK, ProcessorBlock, offset_of};

    /// The block's own address.
    pub const SELF_POINTER: usize = offset_of!(ProcessorBlock, self_pointer);
    /// What is added to a per-CPU variable's own address for that of this CPU's copy.
    ///
    /// Where the kernel is linked so that addresses of statics are 32-bit constants, two instructions reach any variable:
    /// `mov rax, gs:[{anchor}]`, `mov rax, [rax + {variable}]`, with `sym` for the second; elsewhere `lea` takes the symbol first.
    pub const ANCHOR: usize = offset_of!(ProcessorBlock, anchor);
    /// The top of the interrupt stack.
    pub const INTERRUPT_STACK_TOP: usize = offset_of!(ProcessorBlock, interrupt_stack_top);
    /// Scratch for the user's RSP in the SYSCALL entry.
    pub const USER_STACK_POINTER: usize = offset_of!(ProcessorBlock, user_stack_pointer);
    /// Depth of handlers that run on an IST stack (32 bits).
    ///
    /// An entry that interrupted ring 0 *must* test it before it goes to the interrupt stack, and stay on the stack in use if it
    /// is not 0: else an exception in an NMI handler overwrites what the NMI interrupted ([rule 3](crate#the-entry-contract)).
    pub const IST_DEPTH: usize = offset_of!(ProcessorBlock, ist_depth);
    /// How often each vector was entered: 64 bits for each.
    pub const ENTRIES: usize = offset_of!(ProcessorBlock, entries);
    /// How often SYSCALL was entered (64 bits).
    pub const SYSCALL_ENTRIES: usize = offset_of!(ProcessorBlock, entries) + EntryCounters::SYSCALL * size_of::<u64>();
    /// `TSS.rsp0`: the end of the running thread's save area.
    pub const SAVE_AREA_END: usize = offset_of!(ProcessorBlock, task_state) + PRIVILEGE_STACK;

    /// The locks that the CPU holds (32 bits).
    pub const LOCKS_HELD: usize = offset_of!(ProcessorBlock, locks_held);

    const _: () = assert!(SELF_POINTER == 0 && SAVE_AREA_END.is_multiple_of(8));
    // What every entry reads lies in the first cache line.
    const _: () = assert!(ANCHOR < 64 && INTERRUPT_STACK_TOP < 64 && USER_STACK_POINTER < 64 && SAVE_AREA_END < 64);
    const _: () = assert!(LOCKS_HELD < 64);
}

/// What a block is made of.
#[derive(Debug)]
pub struct BlockParts {
    /// The dense index.
    pub index: CpuIndex,
    /// The local APIC id.
    pub apic_id: ApicId,
    /// 256 KiB in kernels that follow this crate's recommendation, see [`crate::INTERRUPT_STACK_BYTES`].
    pub interrupt_stack: Stack,
    /// Stacks for NMI, #DF, #MC, #DB.
    pub stacks: IstStacks,
    /// Where ring-3 entries go while no thread has been set, and again when none is.
    pub fallback: Stack,
}

impl ProcessorBlock {
    /// What stands in the template: a block of no CPU, in which locks can be counted and whose anchor leads nowhere. An address of the
    /// kernel's that is added to it is canonical with no paging mode, so that whoever reaches for a variable too early faults.
    pub(crate) const fn nobody() -> Self {
        Self {
            self_pointer: AtomicU64::new(0),
            anchor: AtomicU64::new(1 << 63),
            interrupt_stack_top: AtomicU64::new(0),
            user_stack_pointer: AtomicU64::new(0),
            ist_depth: AtomicU32::new(0),
            task_state_padding: 0,
            locks_held: AtomicU32::new(0),
            task_state: TaskState::none(),
            segments: UnsafeCell::new(SegmentTable::empty()),
            index: CpuIndex::BOOT,
            apic_id: ApicId::new(0),
            interrupt_stack: Stack::NONE,
            stacks: IstStacks::NONE,
            fallback: EntryTop::NONE,
            entries: EntryCounters::new(),
        }
    }

    /// A block that no CPU uses yet, to lie at `address` in the area that has this anchor. The stacks are filled with a pattern to
    /// measure their use, and the IST stacks linked to it.
    ///
    /// # Safety
    /// Nothing may be using the stacks, and nothing else may ever use them.
    pub(crate) unsafe fn new(parts: BlockParts, address: u64, anchor: u64) -> Self {
        for stack in parts.stacks.all().iter().chain([&parts.interrupt_stack, &parts.fallback]) {
            // SAFETY: nothing uses the stack, by the contract.
            unsafe { stack.fill() };
        }
        for stack in parts.stacks.all() {
            // SAFETY: nothing uses the stack, by the contract.
            unsafe { link(&stack, address) };
        }
        // SAFETY: the memory below is a stack, mapped for ever.
        let fallback = unsafe { EntryTop::new(parts.fallback.top()) };
        let fallback = fallback.expect("a stack's top is a multiple of 16");
        Self {
            self_pointer: AtomicU64::new(address),
            anchor: AtomicU64::new(anchor),
            interrupt_stack_top: AtomicU64::new(parts.interrupt_stack.top()),
            task_state: TaskState::new(fallback, &parts.stacks),
            index: parts.index,
            apic_id: parts.apic_id,
            interrupt_stack: parts.interrupt_stack,
            stacks: parts.stacks,
            fallback,
            ..Self::nobody()
        }
    }

    /// Makes the calling CPU use this block, and with it the area of per-CPU variables in which it lies: loads GDT, segment
    /// registers, TSS, IDT and GS base. There is no LDT. FS base and the user's GS base become 0.
    ///
    /// # Safety
    /// Ring 0, interrupts off, once per block, each block on its own CPU; the IDT's handlers keep
    /// [the entry contract](crate#the-entry-contract), all six rules of it.
    #[must_use]
    pub unsafe fn init(&'static self, vectors: &'static InterruptDescriptorTable) -> TrapsReady {
        let address = core::ptr::from_ref(self) as u64;
        // SAFETY: only this call touches the table before the processor does.
        let segments = unsafe { &mut *self.segments.get() };
        *segments = segment_table(self.task_state.as_ptr());
        // SAFETY: the table lives as long as the block: for ever.
        unsafe { segments.load_unsafe() };
        // SAFETY: the selectors name the flat segments of the table just loaded. FS and GS become null; the
        // GS base is set right after, and nothing in between uses GS. With a null selector in LDTR every selector of an LDT
        // is #GP: RESET and INIT leave a table there that begins at address 0, in reach of ring 3 (Intel SDM volume 3A,
        // "Processor State After Reset").
        unsafe {
            CS::set_reg(KERNEL_CODE);
            SS::set_reg(KERNEL_DATA);
            DS::set_reg(SegmentSelector::NULL);
            ES::set_reg(SegmentSelector::NULL);
            FS::set_reg(SegmentSelector::NULL);
            GS::set_reg(SegmentSelector::NULL);
            load_tss(TASK_STATE);
            asm!("lldt {:x}", in(reg) 0_u32, options(nomem, nostack, preserves_flags));
        }
        // On some processors a null selector leaves the base as it was.
        FsBase::write(VirtAddr::zero());
        GsBase::write(VirtAddr::new(address));
        KernelGsBase::write(VirtAddr::zero());
        vectors.load();
        // SAFETY: everything that a trap needs has just been loaded.
        unsafe { TrapsReady::new() }
    }

    /// The area in which the block lies.
    #[must_use]
    #[inline(always)]
    pub fn area(&self) -> Area {
        // SAFETY: the block of an area has been given its anchor before anybody could get a reference to it.
        unsafe { Area::from_anchor(self.anchor.load(Ordering::Relaxed)) }
    }

    /// The dense index.
    #[must_use]
    #[inline(always)]
    pub const fn index(&self) -> CpuIndex {
        self.index
    }

    /// The local APIC id.
    #[must_use]
    #[inline]
    pub const fn apic_id(&self) -> ApicId {
        self.apic_id
    }

    /// The task state segment.
    #[must_use]
    #[inline(always)]
    pub const fn task_state(&self) -> &TaskState {
        &self.task_state
    }

    /// Sets where ring-3 entries are saved; to be called on every context switch.
    ///
    /// # Safety
    /// Only on the owning CPU.
    #[inline(always)]
    pub unsafe fn set_privilege_stack(&self, top: EntryTop) {
        // SAFETY: the contract is the same.
        unsafe { self.task_state.set_privilege_stack(top) };
    }

    /// Points ring-3 entries at the fallback stack again: no thread runs here.
    ///
    /// # Safety
    /// Only on the owning CPU.
    #[inline(always)]
    pub unsafe fn clear_privilege_stack(&self) {
        // SAFETY: the contract is the same, and the fallback stack is the block's own.
        unsafe { self.task_state.set_privilege_stack(self.fallback) };
    }

    /// Whether ring-3 entries go to the fallback stack: no thread runs here. Any CPU may ask; out of date at once.
    #[must_use]
    #[inline]
    pub fn runs_nothing(&self) -> bool {
        self.task_state.privilege_stack() == self.fallback.address()
    }

    /// The address of the GDT.
    #[must_use]
    #[inline]
    pub fn segments_address(&self) -> u64 {
        self.segments.get() as u64
    }

    /// The interrupt stack.
    #[must_use]
    #[inline]
    pub const fn interrupt_stack(&self) -> &Stack {
        &self.interrupt_stack
    }

    /// The stacks of the entries that may arrive at any instant.
    #[must_use]
    #[inline]
    pub const fn stacks(&self) -> &IstStacks {
        &self.stacks
    }

    /// How many NMI, #DB, #DF or #MC handlers run on this CPU, one inside the other.
    #[must_use]
    #[inline]
    pub fn ist_depth(&self) -> u32 {
        self.ist_depth.load(Ordering::Relaxed)
    }

    /// Marks that such a handler begins. Only on the owning CPU.
    #[inline]
    pub fn enter_ist(&self) {
        let depth = self.ist_depth();
        self.ist_depth.store(depth + 1, Ordering::Relaxed);
    }

    /// Marks that such a handler ends. Only on the owning CPU.
    #[inline]
    pub fn leave_ist(&self) {
        let depth = self.ist_depth();
        self.ist_depth.store(depth.saturating_sub(1), Ordering::Relaxed);
    }

    /// Forgets all such handlers: they have been abandoned. Only on the owning CPU, which runs none.
    #[inline]
    pub fn abandon_ist(&self) {
        self.ist_depth.store(0, Ordering::Relaxed);
    }

    /// The locks that the CPU holds, or is waiting for: a bit for each rank.
    #[must_use]
    #[inline]
    pub fn locks_held(&self) -> u32 {
        self.locks_held.load(Ordering::Relaxed)
    }

    /// Points the NMI slot at the stack that is not in use by the NMI that is being handled. `using` is any address in the
    /// stack that it runs on: that of its frame, as a rule. After this, an NMI that arrives before that frame is returned from, even between its last instruction and its
    /// `iretq`, lands on the other stack.
    ///
    /// # Safety
    /// Only on the owning CPU, from the NMI handler, before anything there can let another NMI in.
    #[inline]
    pub unsafe fn alternate_nmi_stack(&self, using: u64) {
        let [first, second] = &self.stacks.nmi;
        let other = if first.holds(using) { second } else { first };
        // SAFETY: runs on the owner; the other stack holds no live frame, since only one NMI is being handled.
        unsafe { self.task_state.set_interrupt_stack(IstSlot::Nmi, entry(other)) };
    }

    /// Which of the stacks of [`IstStacks`] the address lies in.
    #[must_use]
    #[inline]
    pub fn ist_stack_of(&self, address: u64) -> Option<Stack> {
        self.stacks.all().into_iter().find(|stack| stack.holds(address))
    }

    /// Where a frame on [`IstStacks::machine_check_return`] ends.
    #[must_use]
    #[inline]
    pub const fn machine_check_return(&self) -> u64 {
        entry(&self.stacks.machine_check_return)
    }

    /// Whether the address lies in one of the NMI stacks.
    ///
    /// Asked of the RSP in an NMI's frame it tells whether that NMI came inside another one, but *only if* the frame's CS is of
    /// ring 0: user code loads RSP with what it likes ([rule 5](crate#the-entry-contract)).
    #[must_use]
    #[inline]
    pub fn on_nmi_stack(&self, address: u64) -> bool {
        self.stacks.nmi.iter().any(|stack| stack.holds(address))
    }

    /// Entries by vector.
    #[must_use]
    #[inline(always)]
    pub const fn entries(&self) -> &EntryCounters {
        &self.entries
    }
}
