//! One CPU's copy of all per-CPU variables.

use core::alloc::Layout;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use crate::block::{BlockParts, ProcessorBlock};
use crate::variable::{CpuShared, LINE_BYTES, PerCpu, template};

crate::per_cpu! {
    /// The block of each CPU. In the template stands that of no CPU, which serves until the first one is in use.
    #[unsafe(export_name = "percpu_block")]
    pub(crate) static BLOCK: CpuShared<ProcessorBlock> = ProcessorBlock::nobody();
}

/// A CPU, by the memory that holds its copy of the [per-CPU variables](crate::per_cpu): the one thing that leads to its variables and to
/// its [`ProcessorBlock`]. It is made by an [`AreaBuilder`] and stays good for ever.
///
/// What it holds is the *anchor*: the number that is added to a variable's address in the template for the address of this CPU's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Area(NonNull<u8>);

// SAFETY: it is an address; what may be done from which CPU is said by the types of the variables.
unsafe impl Send for Area {}
// SAFETY: it is an address; what may be done from which CPU is said by the types of the variables.
unsafe impl Sync for Area {}

impl Area {
    /// # Safety
    /// The number comes from an area's block.
    #[inline(always)]
    pub(crate) unsafe fn from_anchor(anchor: u64) -> Self {
        // SAFETY: an anchor is not 0: an area is not where the template is.
        Self(unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(anchor as usize)) })
    }

    /// The block of this CPU.
    #[must_use]
    #[inline(always)]
    pub fn block(self) -> &'static ProcessorBlock {
        BLOCK.of(self)
    }

    /// The copy of what lies at `original` in the template.
    #[inline(always)]
    pub(crate) fn copy_of<T>(self, original: *const T) -> *mut T {
        self.0.as_ptr().wrapping_byte_add(original.addr()).cast()
    }
}

impl Deref for Area {
    type Target = ProcessorBlock;

    #[inline(always)]
    fn deref(&self) -> &ProcessorBlock {
        self.block()
    }
}

/// An area that nobody but its maker knows: here variables get initial values that are known only at run time.
///
/// ```
/// use core::cell::Cell;
/// use percpu::{AreaBuilder, CpuIndex, CpuLocal, host, per_cpu};
///
/// per_cpu! {
///     /// What this CPU calls itself.
///     static NUMBER: CpuLocal<Cell<u32>> = Cell::new(u32::MAX);
/// }
/// /// Called by whoever makes CPUs: the owner of a variable says what it begins with.
/// fn prepare(area: &mut AreaBuilder, index: CpuIndex) {
///     area.set(&NUMBER, Cell::new(index.get()));
/// }
/// let (mut area, parts) = host::new_area(CpuIndex::new(3));
/// prepare(&mut area, CpuIndex::new(3));
/// // SAFETY: the stacks are fresh.
/// let cpu = unsafe { area.finish(parts) };
/// host::run_on(cpu, |this| assert_eq!(NUMBER.of(this).get(), 3));
/// ```
#[derive(Debug)]
pub struct AreaBuilder(Area);

impl AreaBuilder {
    /// The memory that an area takes.
    ///
    /// # Panics
    /// If the linker put the template at an address that is not a multiple of 128: the linker script has to.
    #[must_use]
    pub fn layout() -> Layout {
        let (start, stop) = template();
        assert!(
            start.is_multiple_of(LINE_BYTES),
            "the section percpu begins at {start:#x}, which is no multiple of {LINE_BYTES}"
        );
        let bytes = (stop - start).next_multiple_of(LINE_BYTES);
        Layout::from_size_align(bytes, LINE_BYTES).expect("the template fits into the address space")
    }

    /// Makes `memory` an area: all variables get the values of the template.
    ///
    /// # Safety
    /// The memory is of [`Self::layout`], writable, the area's alone, and stays so for ever; a kernel maps it in every address space.
    #[must_use]
    pub unsafe fn new(memory: NonNull<u8>) -> Self {
        let (start, stop) = template();
        let (address, bytes) = (memory.as_ptr().expose_provenance(), stop - start);
        // SAFETY: the section's bytes are the initial values of all variables, which are constants: who has a copy has what the
        // constant is, as often as it is made. The memory is the area's alone.
        unsafe { ptr::copy_nonoverlapping(ptr::with_exposed_provenance::<u8>(start), memory.as_ptr(), bytes) };
        // SAFETY: the memory is not the template's, so that the difference is not 0.
        Self(unsafe { Area::from_anchor(address.wrapping_sub(start) as u64) })
    }

    /// Gives a variable another initial value on this CPU. The one that it had is forgotten, not dropped.
    ///
    /// # Panics
    /// If the variable is not one of [`per_cpu!`](crate::per_cpu), which the linker script then has lost.
    pub fn set<V: PerCpu>(&mut self, variable: &'static V, value: V::Value) {
        let (start, stop) = template();
        let address = ptr::from_ref(variable).addr();
        assert!(
            start <= address && address + size_of::<V>() <= stop,
            "a per-CPU variable outside of the section percpu"
        );
        let copy = self.0.copy_of(ptr::from_ref(variable)).cast::<V::Value>();
        // SAFETY: the variable is in the template, so its copy is in the area, at the beginning of the `V`. Nobody else knows the area.
        unsafe { copy.write(value) };
    }

    /// Makes the CPU's block. From here on the area is what any CPU may know of.
    ///
    /// # Safety
    /// Nothing may be using the stacks, and nothing else may ever use them.
    #[must_use]
    pub unsafe fn finish(mut self, parts: BlockParts) -> Area {
        let area = self.0;
        let block = ptr::from_ref(area.block()).addr() as u64;
        // SAFETY: the contract is the same.
        let value = unsafe { ProcessorBlock::new(parts, block, area.0.as_ptr().addr() as u64) };
        self.set(&BLOCK, value);
        area
    }
}
