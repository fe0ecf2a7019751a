//! The header: the data that the trampoline's code finds at fixed offsets in its page.
//!
//! Everything that depends on where the page lies is worked out here, so the code itself needs no relocation.
// On the host only the tests use it: the code that reads it exists on the target alone.
#![cfg_attr(not(any(target_os = "none", doc)), allow(dead_code))]

use core::mem::{offset_of, size_of};

use x86_64::structures::gdt::DescriptorFlags;

use super::parameters::{ParameterError, Parameters};
use crate::bring_up::StartRecord;

/// Bytes of a page.
pub(super) const PAGE_SIZE: usize = 4096;
/// Where the header lies in the page; the jump over it comes before.
pub(super) const HEADER_OFFSET: usize = 8;

/// Selectors into the header's GDT.
pub(super) const CODE_32: u16 = 1 << 3;
pub(super) const DATA: u16 = 2 << 3;
pub(super) const CODE_64: u16 = 3 << 3;

/// A CPU can be started below this physical address only.
const ONE_MIB: u32 = 1 << 20;

/// The header. Its address is the page's plus [`HEADER_OFFSET`].
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Header {
    /// Far pointer (offset, selector) of the 32-bit code.
    pub(super) protected_mode: u32,
    protected_mode_selector: u16,
    /// GDT register image: limit, then base.
    pub(super) gdt_limit: u16,
    gdt_base: u32,
    /// Far pointer (offset, selector) of the 64-bit code.
    pub(super) long_mode: u32,
    long_mode_selector: u16,
    _reserved: u16,
    pub(super) page_table_root: u32,
    pub(super) cr4: u32,
    pub(super) efer: u32,
    pub(super) cr0: u32,
    /// Virtual addresses from here on.
    pub(super) entry: u64,
    pub(super) records: u64,
    pub(super) record_count: u64,
    gdt: [u64; 4],
}

const _: () = {
    // The far pointers and the GDT register image are read as one operand of 6 bytes each.
    assert!(offset_of!(Header, protected_mode_selector) == offset_of!(Header, protected_mode) + 4);
    assert!(offset_of!(Header, long_mode_selector) == offset_of!(Header, long_mode) + 4);
    assert!(offset_of!(Header, gdt_base) == offset_of!(Header, gdt_limit) + 2);
    assert!(size_of::<Header>() == 96);
    assert!(HEADER_OFFSET.is_multiple_of(align_of::<Header>()));
};

/// Where the code's later parts start, in bytes from the start of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct CodeOffsets {
    pub(super) protected_mode: u32,
    pub(super) long_mode: u32,
}

impl Header {
    /// The header of a page at a physical address.
    pub(super) fn new(
        physical: u32,
        code: CodeOffsets,
        parameters: &Parameters,
        records: &'static [StartRecord],
    ) -> Result<Self, ParameterError> {
        let page = check_page(physical)?;
        let controls = parameters.controls()?;
        Ok(Self {
            protected_mode: page + code.protected_mode,
            protected_mode_selector: CODE_32,
            gdt_limit: (size_of::<[u64; 4]>() - 1) as u16,
            gdt_base: page + (HEADER_OFFSET + offset_of!(Self, gdt)) as u32,
            long_mode: page + code.long_mode,
            long_mode_selector: CODE_64,
            _reserved: 0,
            page_table_root: controls.page_table_root,
            cr4: controls.cr4,
            efer: controls.efer,
            cr0: controls.cr0,
            entry: parameters.entry as usize as u64,
            records: records.as_ptr().addr() as u64,
            record_count: records.len() as u64,
            gdt: [
                0,
                DescriptorFlags::KERNEL_CODE32.bits(),
                DescriptorFlags::KERNEL_DATA.bits(),
                DescriptorFlags::KERNEL_CODE64.bits(),
            ],
        })
    }
}

/// A CPU can be started in this page.
fn check_page(physical: u32) -> Result<u32, ParameterError> {
    let usable = physical < ONE_MIB
        && physical.is_multiple_of(PAGE_SIZE as u32)
        && !(0xa0..=0xbf).contains(&(physical / PAGE_SIZE as u32));
    if usable { Ok(physical) } else { Err(ParameterError::Page(physical)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn entry(_argument: u64) -> ! {
        unreachable!("not entered by a test")
    }

    const PARAMETERS: Parameters =
        Parameters { page_table_root: 0x20_0000, cr0: 0x8001_0033, cr4: 0x20, efer: 0x900, entry };
    const CODE: CodeOffsets = CodeOffsets { protected_mode: 0x90, long_mode: 0xc0 };

    #[test]
    fn addresses_are_the_pages_own() {
        let header = Header::new(0x8000, CODE, &PARAMETERS, &[]).unwrap();
        assert_eq!((header.protected_mode, header.protected_mode_selector), (0x8090, 0x08));
        assert_eq!((header.long_mode, header.long_mode_selector), (0x80c0, 0x18));
        assert_eq!((header.gdt_base, header.gdt_limit), (0x8000 + 8 + 64, 31));
        assert_eq!(header.gdt, [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00af_9b00_0000_ffff]);
        assert_eq!(header.entry, entry as *const () as u64);
        assert_eq!(header.record_count, 0);
    }

    #[test]
    fn pages_where_no_cpu_can_start_are_refused() {
        for physical in [0x10_0000, 0x8004, 0xa_0000, 0xb_f000, 0xffff_f000] {
            let error = Header::new(physical, CODE, &PARAMETERS, &[]).unwrap_err();
            assert_eq!(error, ParameterError::Page(physical));
        }
        for physical in [0, 0x8000, 0x9_f000, 0xc_0000, 0xf_f000] {
            assert!(Header::new(physical, CODE, &PARAMETERS, &[]).is_ok(), "{physical:#x}");
        }
    }
}
