//! What of the processor's state there is, as far as CPUID tells. Pure: made from the leaves.

use core::arch::x86_64::CpuidResult;

/// Which registers the processor says it has (Intel SDM volume 2, "CPUID"; AMD APM volume 3, "CPUID").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a bit of CPUID")]
pub(super) struct Features {
    pub(super) intel: bool,
    pub(super) amd: bool,
    /// There is a hypervisor.
    pub(super) guest: bool,
    pub(super) sysenter: bool,
    pub(super) memory_types: bool,
    pub(super) page_attributes: bool,
    pub(super) debug_store: bool,
    pub(super) tsc_aux: bool,
    pub(super) tsc_adjust: bool,
    pub(super) speculation_control: bool,
    pub(super) protection_keys: bool,
    pub(super) shadow_stacks: bool,
    pub(super) user_interrupts: bool,
    pub(super) user_wait: bool,
    pub(super) bounds: bool,
    pub(super) processor_trace: bool,
    pub(super) last_branches: bool,
    pub(super) supervisor_states: bool,
    pub(super) extended_feature_disable: bool,
    /// Version of the architectural performance counters, 0 for none; how many there are besides the fixed ones.
    pub(super) counters_version: u32,
    pub(super) counters: u32,
    /// AMD's six counters in place of four; their common control; last branches in a stack.
    pub(super) amd_counters: bool,
    pub(super) amd_counters_control: bool,
    pub(super) amd_last_branches: bool,
    /// Words of KVM's in memory that a guest gives it: clock, asynchronous page faults, stolen time, end of interrupt.
    pub(super) kvm_clock: bool,
    pub(super) kvm_page_faults: bool,
    pub(super) kvm_stolen_time: bool,
    pub(super) kvm_end_of_interrupt: bool,
}

const fn bit(word: u32, number: u32) -> bool {
    word >> number & 1 != 0
}

/// The twelve letters of a vendor or of a hypervisor, in the order of EBX, EDX, ECX or of EBX, ECX, EDX.
fn is_name(words: [u32; 3], name: &[u8; 12]) -> bool {
    words.iter().flat_map(|word| word.to_le_bytes()).eq(*name)
}

impl Features {
    /// What the leaves say; `cpuid` answers a leaf and its part.
    pub(super) fn from_leaves(cpuid: impl Fn(u32, u32) -> CpuidResult) -> Self {
        let none = CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
        let leaf = |number: u32, part: u32| {
            // Beyond the last leaf processors answer with that of another one.
            if number <= cpuid(number & 0xffff_0000, 0).eax { cpuid(number, part) } else { none }
        };
        let vendor = cpuid(0, 0);
        let name = [vendor.ebx, vendor.edx, vendor.ecx];
        let (basic, extended, further) = (leaf(1, 0), leaf(7, 0), leaf(0x8000_0001, 0));
        let (states, counters) = (leaf(0xd, 1), leaf(0xa, 0));
        let (capacity, amd_counters) = (leaf(0x8000_0008, 0), leaf(0x8000_0022, 0));
        let is_guest = bit(basic.ecx, 31);
        let host = if is_guest { cpuid(0x4000_0000, 0) } else { none };
        let kvm =
            if is_name([host.ebx, host.ecx, host.edx], b"KVMKVMKVM\0\0\0") { cpuid(0x4000_0001, 0).eax } else { 0 };
        Self {
            intel: is_name(name, b"GenuineIntel"),
            amd: is_name(name, b"AuthenticAMD") || is_name(name, b"HygonGenuine"),
            guest: is_guest,
            sysenter: bit(basic.edx, 11),
            memory_types: bit(basic.edx, 12),
            page_attributes: bit(basic.edx, 16),
            debug_store: bit(basic.edx, 21),
            tsc_aux: bit(further.edx, 27) || bit(extended.ecx, 22),
            tsc_adjust: bit(extended.ebx, 1),
            speculation_control: [26, 27, 31].iter().any(|number| bit(extended.edx, *number))
                || [14, 15, 24].iter().any(|number| bit(capacity.ebx, *number)),
            protection_keys: bit(extended.ecx, 31),
            shadow_stacks: bit(extended.ecx, 7) || bit(extended.edx, 20),
            user_interrupts: bit(extended.edx, 5),
            user_wait: bit(extended.ecx, 5),
            bounds: bit(extended.ebx, 14),
            processor_trace: bit(extended.ebx, 25),
            last_branches: bit(extended.edx, 19),
            supervisor_states: bit(states.eax, 3),
            extended_feature_disable: bit(states.eax, 4),
            counters_version: counters.eax & 0xff,
            counters: counters.eax >> 8 & 0xff,
            amd_counters: bit(further.ecx, 23),
            amd_counters_control: bit(amd_counters.eax, 0),
            amd_last_branches: bit(amd_counters.eax, 1),
            kvm_clock: bit(kvm, 3),
            kvm_page_faults: bit(kvm, 4),
            kvm_stolen_time: bit(kvm, 5),
            kvm_end_of_interrupt: bit(kvm, 6),
        }
    }

    /// What the calling CPU says.
    pub(super) fn detect() -> Self {
        Self::from_leaves(|leaf, part| {
            let answer = raw_cpuid::cpuid!(leaf, part);
            CpuidResult { eax: answer.eax, ebx: answer.ebx, ecx: answer.ecx, edx: answer.edx }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_beyond_the_last_say_nothing() {
        let all = CpuidResult { eax: u32::MAX, ebx: u32::MAX, ecx: u32::MAX, edx: u32::MAX };
        let features = Features::from_leaves(|leaf, _| match leaf {
            0 => CpuidResult { eax: 1, ebx: 0x756e_6547, edx: 0x4965_6e69, ecx: 0x6c65_746e },
            0x8000_0000 => CpuidResult { eax: 0x8000_0001, ..all },
            0x4000_0000 => CpuidResult { eax: 0, ..all },
            _ => all,
        });
        assert!(features.intel && !features.amd && features.sysenter && features.tsc_aux && features.amd_counters);
        assert!(!features.shadow_stacks && !features.supervisor_states && !features.speculation_control);
        assert_eq!((features.counters_version, features.kvm_clock), (0, false));
    }

    #[test]
    fn a_hypervisor_is_asked_only_by_its_name() {
        let none = CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
        let with = |name: [u8; 12]| {
            let word = |at: usize| u32::from_le_bytes([name[at], name[at + 1], name[at + 2], name[at + 3]]);
            Features::from_leaves(|leaf, _| match leaf {
                0 => CpuidResult { eax: 1, ..none },
                1 => CpuidResult { ecx: 1 << 31, ..none },
                0x4000_0000 => CpuidResult { eax: 0x4000_0001, ebx: word(0), ecx: word(4), edx: word(8) },
                0x4000_0001 => CpuidResult { eax: 1 << 3 | 1 << 5, ..none },
                _ => none,
            })
        };
        let kvm = with(*b"KVMKVMKVM\0\0\0");
        assert!(kvm.kvm_clock && kvm.kvm_stolen_time && !kvm.kvm_page_faults && !kvm.kvm_end_of_interrupt);
        assert_eq!(with(*b"TCGTCGTCGTCG"), Features { guest: true, ..Features::default() });
    }
}
