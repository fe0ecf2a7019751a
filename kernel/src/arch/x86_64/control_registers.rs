//! The control register values that every CPU runs with.
//!
//! A pure function of what CPUID reports, so that the first CPU and all others load the same. Source: Intel SDM volume
//! 3, "Control Registers" and "Extended Feature Enable Register".

use raw_cpuid::CpuId;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags};

use super::control::load_address_space;

/// What CPUID says about protection. The processor may hang or fault on a CR4 bit that it does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuFeatures {
    /// Global pages.
    pub global_pages: bool,
    /// The kernel cannot execute user pages.
    pub supervisor_execution_prevention: bool,
    /// The kernel cannot touch user pages by mistake.
    pub supervisor_access_prevention: bool,
    /// Ring 3 cannot read descriptor table addresses.
    pub user_instruction_prevention: bool,
    /// XSAVE and what belongs to it.
    pub extended_states: bool,
    /// Instructions that read and write the FS and GS bases.
    pub base_instructions: bool,
    /// Machine checks are exceptions. Not among the bits of [`control_registers`]: it is set once there is a handler.
    pub machine_check: bool,
}

impl CpuFeatures {
    /// The features of the CPU that this runs on.
    #[must_use]
    pub fn detect() -> Self {
        let cpuid = CpuId::new();
        let basic = cpuid.get_feature_info();
        let extended = cpuid.get_extended_feature_info();
        Self {
            global_pages: basic.as_ref().is_some_and(|features| features.has_pge()),
            supervisor_execution_prevention: extended.as_ref().is_some_and(|features| features.has_smep()),
            supervisor_access_prevention: extended.as_ref().is_some_and(|features| features.has_smap()),
            user_instruction_prevention: extended.as_ref().is_some_and(|features| features.has_umip()),
            extended_states: basic.as_ref().is_some_and(|features| features.has_xsave()),
            base_instructions: extended.as_ref().is_some_and(|features| features.has_fsgsbase()),
            machine_check: basic.is_some_and(|features| features.has_mce()),
        }
    }
}

/// Values for the registers that decide how memory is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRegisters {
    /// CR0: paging, write protection in ring 0, native x87 errors, alignment checks for ring 3 that asks for them; caches on, no
    /// emulation.
    pub cr0: Cr0Flags,
    /// CR4: PAE and SSE, which every 64-bit processor has, and what [`CpuFeatures`] allow.
    pub cr4: Cr4Flags,
    /// EFER: long mode and no-execute. (LMA is the processor's to set.)
    pub efer: EferFlags,
}

/// The values for a CPU with these features.
#[must_use]
pub const fn control_registers(features: &CpuFeatures) -> ControlRegisters {
    let mut cr4 = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION.union(Cr4Flags::OSFXSR).union(Cr4Flags::OSXMMEXCPT_ENABLE);
    if features.global_pages {
        cr4 = cr4.union(Cr4Flags::PAGE_GLOBAL);
    }
    if features.supervisor_execution_prevention {
        cr4 = cr4.union(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION);
    }
    if features.supervisor_access_prevention {
        cr4 = cr4.union(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION);
    }
    if features.user_instruction_prevention {
        cr4 = cr4.union(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION);
    }
    if features.extended_states {
        cr4 = cr4.union(Cr4Flags::OSXSAVE);
    }
    if features.base_instructions {
        cr4 = cr4.union(Cr4Flags::FSGSBASE);
    }
    ControlRegisters {
        cr0: Cr0Flags::PROTECTED_MODE_ENABLE
            .union(Cr0Flags::MONITOR_COPROCESSOR)
            .union(Cr0Flags::EXTENSION_TYPE)
            .union(Cr0Flags::NUMERIC_ERROR)
            .union(Cr0Flags::WRITE_PROTECT)
            .union(Cr0Flags::ALIGNMENT_MASK)
            .union(Cr0Flags::PAGING),
        cr4,
        efer: EferFlags::LONG_MODE_ENABLE.union(EferFlags::NO_EXECUTE_ENABLE),
    }
}

impl ControlRegisters {
    /// Loads the page tables whose root is at this physical address, and then CR0 and CR4, on this CPU, which runs in 64-bit mode.
    /// Of EFER only the no-execute bit is set, on which the tables may rely: both boot protocols and the trampoline set it before paging.
    ///
    /// # Safety
    /// The tables map all that is in use, as it is mapped now. The values are made from this CPU's features, no x87 or SSE state is
    /// in use, and the kernel touches no user page without saying so from now on.
    pub unsafe fn load_with_tables(&self, root: u64) {
        // SAFETY: the caller's promise. Paging, protection, PAE and the level of paging stay as they are, and every
        // other bit is one that the CPU has.
        unsafe {
            Efer::update(|efer| efer.insert(EferFlags::NO_EXECUTE_ENABLE));
            load_address_space(root);
            Cr0::write_raw(self.cr0.bits());
            Cr4::write_raw(self.cr4.bits());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CpuFeatures, Cr4Flags, control_registers};

    #[test]
    fn only_reported_bits_are_set() {
        let least = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION | Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE;
        assert_eq!(control_registers(&CpuFeatures::default()).cr4, least);
        let one = |features: CpuFeatures| control_registers(&features).cr4 - least;
        let none = CpuFeatures::default();
        assert_eq!(one(CpuFeatures { global_pages: true, ..none }), Cr4Flags::PAGE_GLOBAL);
        assert_eq!(
            one(CpuFeatures { supervisor_execution_prevention: true, ..none }),
            Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION
        );
        assert_eq!(
            one(CpuFeatures { supervisor_access_prevention: true, ..none }),
            Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION
        );
        assert_eq!(
            one(CpuFeatures { user_instruction_prevention: true, ..none }),
            Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION
        );
        assert_eq!(one(CpuFeatures { extended_states: true, ..none }), Cr4Flags::OSXSAVE);
        assert_eq!(one(CpuFeatures { base_instructions: true, ..none }), Cr4Flags::FSGSBASE);
        assert_eq!(one(CpuFeatures { machine_check: true, ..none }), Cr4Flags::empty());
    }
}
