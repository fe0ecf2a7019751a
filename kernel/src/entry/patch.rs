//! The two instructions that only some CPUs have in places too hot for a branch.

use raw_cpuid::CpuId;
use x86_64::registers::control::{Cr0, Cr0Flags};

/// CLAC.
const CLAC: [u8; 3] = [0x0f, 0x01, 0xca];

unsafe extern "C" {
    static entry_clac_site: [u8; 3];
    static entry_ist_clac_site: [u8; 3];
}

/// Puts CLAC at the head of the entries if the CPU has SMAP: ring 3 may set AC, interrupt gates do not clear it, and with
/// it set SMAP would not hold. Elsewhere CLAC is an invalid opcode, so three bytes of NOP stand there.
///
/// The code is mapped read-only everywhere, so write protection is suspended for three bytes at a time; writing CR0 also
/// serialises, so that the CPU cannot have the old bytes in its pipeline.
///
/// # Safety
/// Before the IDT is loaded on any CPU, with interrupts off and the other CPUs not running.
pub unsafe fn entries() {
    if !CpuId::new().get_extended_feature_info().is_some_and(|features| features.has_smap()) {
        return;
    }
    for site in [core::ptr::addr_of!(entry_clac_site), core::ptr::addr_of!(entry_ist_clac_site)] {
        // SAFETY: nothing else runs; three bytes reserved for this are written, by a volatile write since the compiler takes
        // code for constant; WP is set again at once.
        unsafe {
            Cr0::update(|flags| flags.remove(Cr0Flags::WRITE_PROTECT));
            site.cast_mut().write_volatile(CLAC);
            Cr0::update(|flags| flags.insert(Cr0Flags::WRITE_PROTECT));
        }
    }
}
