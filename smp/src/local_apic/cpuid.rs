//! What CPUID tells about the local APIC of the calling CPU.

use core::arch::x86_64::{__cpuid, __cpuid_count};

use percpu::ApicId;

/// Extended topology enumeration; EDX is the x2APIC id.
const LEAF_TOPOLOGY: u32 = 0xb;
/// Leaf 1 ECX: x2APIC.
const ECX_X2APIC: u32 = 1 << 21;
/// Leaf 1 ECX: the timer has TSC-deadline mode.
const ECX_TSC_DEADLINE: u32 = 1 << 24;

/// Tells whether the CPU has x2APIC mode.
#[must_use]
pub fn has_x2apic() -> bool {
    __cpuid(1).ecx & ECX_X2APIC != 0
}

/// Tells whether the local APIC's timer has TSC-deadline mode.
#[must_use]
pub fn has_tsc_deadline() -> bool {
    __cpuid(1).ecx & ECX_TSC_DEADLINE != 0
}

/// The id that the calling CPU's local APIC got at power-up, read without touching the APIC.
///
/// Leaf `0xb` gives 32 bits; EBX is 0 where the leaf is not implemented, and then leaf 1 gives 8 bits.
/// The trampoline finds its record in the same way. Source: Intel SDM volume 2A, "CPUID".
#[must_use]
pub fn initial_apic_id() -> ApicId {
    if __cpuid(0).eax >= LEAF_TOPOLOGY {
        let topology = __cpuid_count(LEAF_TOPOLOGY, 0);
        if topology.ebx != 0 {
            return ApicId::new(topology.edx);
        }
    }
    ApicId::new(__cpuid(1).ebx >> 24)
}
