//! The page below 1 MiB: code and header put in place.

use core::ptr;

use super::code::{smp_trampoline_long_mode, smp_trampoline_protected_mode, smp_trampoline_start};
use super::header::{CodeOffsets, HEADER_OFFSET, Header, PAGE_SIZE};
use super::parameters::{ParameterError, Parameters};
use crate::bring_up::StartRecord;

/// A page with the trampoline in place, and the records of the CPUs that start from it: what
/// [`start_all`](crate::bring_up::start_all) starts. There is no other way to come by one than [`Self::install`], so that no CPU is
/// started at any other page, nor one of which the page does not know the record.
///
/// ```no_run
/// use smp::bring_up::{IpiSender, Report, StartError, StartRecord, Timing, start_all};
/// use smp::trampoline::{Parameters, TrampolinePage};
/// use smp::{ApicId, Clock};
///
/// extern "C" fn other_main(index: u64) -> ! {
///     // The CPU's own block, LocalApic::enable, StartRecord::mark_online, and on to the scheduler.
///     loop {}
/// }
///
/// fn start(page: *mut u8, stack_top: u64, apic: &impl IpiSender, clock: &impl Clock) -> Result<Report, StartError> {
///     let records = Box::leak(Box::new([StartRecord::new(ApicId::new(1), stack_top, 1)]));
///     let parameters =
///         Parameters { page_table_root: 0x20_0000, cr0: 0x8001_0033, cr4: 0x20, efer: 0x900, entry: other_main };
///     // SAFETY: a page at 0x8000 that is this function's alone, which the tables at 2 MiB map by identity, beside the
///     // kernel, the record and the stack; CPU 1 has these bits of CR0, CR4 and EFER.
///     let page = unsafe { TrampolinePage::install(page, 0x8000, &parameters, records) }.unwrap();
///     start_all(&page, apic, clock, &Timing::STANDARD)
/// }
/// ```
#[derive(Debug)]
pub struct TrampolinePage {
    physical: u32,
    records: &'static [StartRecord],
}

impl TrampolinePage {
    /// Puts the trampoline into a page. `records` are those of all CPUs that are started from it.
    ///
    /// # Errors
    /// When no CPU can start at `physical`, or not with these parameters. The page is untouched then.
    ///
    /// # Safety
    /// * `page` is valid for writes of 4096 bytes, used by nothing else, and aligned to 8; it is mapped to the
    ///   physical address `physical`, with which the processor starts CPUs.
    /// * The page keeps its content as long as a CPU may start: for ever, if one of the records never came.
    /// * [`Parameters::page_table_root`] is the physical address of valid page tables that map this page by
    ///   identity, executable and for supervisors, and the kernel's entry, the records, and every record's
    ///   stack, at the virtual addresses given; they stay as long.
    /// * All bits of CR0, CR4 and EFER exist on every CPU that is started.
    /// * Each record's stack is used by nothing else, and its argument is what the entry function expects.
    pub unsafe fn install(
        page: *mut u8,
        physical: u32,
        parameters: &Parameters,
        records: &'static [StartRecord],
    ) -> Result<Self, ParameterError> {
        let image = &raw const smp_trampoline_start;
        let offset = |symbol: *const u8| symbol.addr() - image.addr();
        let code = CodeOffsets {
            protected_mode: offset(&raw const smp_trampoline_protected_mode) as u32,
            long_mode: offset(&raw const smp_trampoline_long_mode) as u32,
        };
        let header = Header::new(physical, code, parameters, records)?;

        // SAFETY: the image is one page of this program's read-only data; the caller owns the 4096 bytes at
        // `page`, so the two do not overlap.
        unsafe { ptr::copy_nonoverlapping(image.cast::<u8>(), page, PAGE_SIZE) };
        // SAFETY: the header's bytes lie in the page, in front of the code; the page is aligned to 8, and so is
        // the header's offset.
        unsafe { page.add(HEADER_OFFSET).cast::<Header>().write(header) };
        Ok(Self { physical, records })
    }

    /// The page's number, for the SIPI.
    #[must_use]
    pub const fn page_number(&self) -> u8 {
        // `install` lets only pages below 1 MiB through: the number has 8 bits.
        (self.physical / PAGE_SIZE as u32) as u8
    }

    /// The records of the CPUs that start from the page.
    #[must_use]
    pub const fn records(&self) -> &'static [StartRecord] {
        self.records
    }

    /// The page's physical address.
    #[must_use]
    pub const fn physical(&self) -> u32 {
        self.physical
    }
}
