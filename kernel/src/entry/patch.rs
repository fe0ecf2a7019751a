//! What differs between boots, in places too hot for a branch.

use percpu::LockSite;
use raw_cpuid::CpuId;
use x86_64::registers::control::{Cr0, Cr0Flags};

/// CLAC.
const CLAC: [u8; 3] = [0x0f, 0x01, 0xca];

unsafe extern "C" {
    static entry_clac_site: [u8; 3];
    static entry_ist_clac_site: [u8; 3];
    static lock_sites_start: LockSite;
    static lock_sites_end: LockSite;
}

/// Puts CLAC at the head of the entries if the CPU has SMAP: ring 3 may set AC, interrupt gates do not clear it, and with
/// it set SMAP would not hold. Elsewhere CLAC is an invalid opcode, so three bytes of NOP stand there.
///
/// The code is mapped read-only everywhere, so write protection is suspended for one write at a time; writing CR0 also
/// serialises, so that the CPU cannot have the old bytes in its pipeline.
///
/// # Safety
/// Before the IDT is loaded on any CPU, with interrupts off and the other CPUs not running.
pub unsafe fn entries() {
    if !CpuId::new().get_extended_feature_info().is_some_and(|features| features.has_smap()) {
        return;
    }
    for site in [core::ptr::addr_of!(entry_clac_site), core::ptr::addr_of!(entry_ist_clac_site)] {
        // SAFETY: by the contract; three bytes reserved for this.
        unsafe { write_code(site.cast_mut(), CLAC) };
    }
}

/// Has each lock that is taken while another is held noted in `sync::graph`: see [`LockSite`].
///
/// # Panics
/// If a site is not what it says.
///
/// # Safety
/// With interrupts off and the other CPUs not running.
pub unsafe fn lock_sites() {
    let start = core::ptr::addr_of!(lock_sites_start);
    // SAFETY: the linker script puts both around one array, which nobody writes.
    let sites =
        unsafe { core::slice::from_raw_parts(start, core::ptr::addr_of!(lock_sites_end).offset_from_unsigned(start)) };
    for site in sites {
        // x86 has a short form for operands up to 127.
        let (length, operand) = (if site.place < 7 { 1 } else { 4 }, (1_u32 << site.place).to_le_bytes());
        let bytes = core::ptr::with_exposed_provenance_mut::<u8>(site.end as usize - length);
        for (offset, (old, new)) in operand.into_iter().zip(1_u32.to_le_bytes()).enumerate().take(length) {
            // SAFETY: within the operand of an instruction in the kernel's text, which is mapped.
            let byte = unsafe { bytes.add(offset) };
            // SAFETY: the same byte, which is mapped.
            let found = unsafe { byte.read_volatile() };
            assert!(found == old, "no comparison before {:#x}", site.end);
            // SAFETY: by the contract; with each byte the comparison is one with another operand.
            unsafe { write_code(byte, new) };
        }
    }
}

/// Writes into the code.
///
/// # Safety
/// With interrupts off and the other CPUs not running; `site` lies in the kernel's text, and what stands there afterwards is an instruction
/// that does what is wanted.
unsafe fn write_code<T>(site: *mut T, code: T) {
    // SAFETY: by the contract; by a volatile write since the compiler takes code for constant; WP is set again at once.
    unsafe {
        Cr0::update(|flags| flags.remove(Cr0Flags::WRITE_PROTECT));
        site.write_volatile(code);
        Cr0::update(|flags| flags.insert(Cr0Flags::WRITE_PROTECT));
    }
}
