//! The banks themselves: model-specific registers of the CPU that runs.

use raw_cpuid::CpuId;
use x86_64::registers::model_specific::Msr;

use super::severity::{Severity, severity};
use super::state::MachineCheckEvent;
use super::status::{BankStatus, GlobalCapabilities, GlobalStatus};
use crate::arch::x86_64::msr;

/// `IA32_MCG_CAP`, `IA32_MCG_STATUS`, `IA32_MCG_CTL`; `IA32_MC0_CTL`, from where each bank has four registers: control, status,
/// address, miscellaneous (Intel SDM volume 4, "Architectural MSRs").
const GLOBAL_CAPABILITIES: u32 = 0x179;
const GLOBAL_STATUS: u32 = 0x17a;
const GLOBAL_CONTROL: u32 = 0x17b;
const FIRST_BANK: u32 = 0x400;
const BANK_REGISTERS: u32 = 4;
/// The most banks that the registers of this range have room for.
const MOST_BANKS: u32 = 32;

/// What the machine-check architecture of this CPU offers.
#[derive(Clone, Copy, Debug)]
pub struct Banks {
    capabilities: GlobalCapabilities,
}

impl Banks {
    /// The banks of the calling CPU; `None` if it has no machine-check architecture, or says so and has no register of it.
    pub fn of_this_cpu() -> Option<Self> {
        CpuId::new().get_feature_info().filter(raw_cpuid::FeatureInfo::has_mca)?;
        Some(Self { capabilities: GlobalCapabilities(msr::read(GLOBAL_CAPABILITIES)?) })
    }

    /// Whether the processor tells errors that software can recover from.
    pub const fn have_recovery(self) -> bool {
        self.capabilities.has_recovery()
    }

    fn numbers(self) -> core::ops::Range<u32> {
        0..self.capabilities.banks().min(MOST_BANKS)
    }

    /// What is being reported.
    pub fn global_status(self) -> GlobalStatus {
        // SAFETY: the architecture is there, and the register with it.
        GlobalStatus(unsafe { Msr::new(GLOBAL_STATUS).read() })
    }

    /// Ends the machine check (MCIP): until then the next one would reset the machine.
    pub fn end(self) {
        // SAFETY: as above; zero is what it holds between two machine checks.
        unsafe { Msr::new(GLOBAL_STATUS).write(0) };
    }

    /// Every bank that holds an error.
    pub fn events(self) -> impl Iterator<Item = (Severity, MachineCheckEvent)> {
        let global = self.global_status();
        self.numbers().filter_map(move |bank| {
            let first = FIRST_BANK + bank * BANK_REGISTERS;
            // SAFETY: the bank exists, by the capabilities.
            let status = BankStatus(unsafe { Msr::new(first + 1).read() });
            if !status.is_valid() {
                return None;
            }
            // SAFETY: the status says that the register is there.
            let address = if status.has_address() { unsafe { Msr::new(first + 2).read() } } else { 0 };
            // SAFETY: as above.
            let misc = if status.has_misc() { unsafe { Msr::new(first + 3).read() } } else { 0 };
            let event = MachineCheckEvent { bank: u64::from(bank), status: status.0, address, misc, global: global.0 };
            Some((severity(status, self.have_recovery()), event))
        })
    }

    /// Empties a bank.
    pub fn clear(self, bank: u64) {
        if self.numbers().contains(&(bank as u32)) {
            // SAFETY: the bank exists; zero may be written to any status (SDM, "IA32_MCi_STATUS MSRS").
            unsafe { Msr::new(FIRST_BANK + bank as u32 * BANK_REGISTERS + 1).write(0) };
        }
    }
}

/// Enables all errors on the calling CPU and empties its banks, which may hold what was before the reset. To be called before
/// CR4.MCE is set. Does nothing where there is no machine-check architecture.
///
/// # Safety
/// Ring 0.
pub unsafe fn initialise() {
    let Some(banks) = Banks::of_this_cpu() else { return };
    if banks.capabilities.has_control() {
        // SAFETY: the capabilities say that the register is there; all ones enable everything.
        unsafe { Msr::new(GLOBAL_CONTROL).write(u64::MAX) };
    }
    for bank in banks.numbers() {
        if bank > 0 || !first_bank_is_the_firmwares() {
            // SAFETY: the bank exists; all ones enable everything.
            unsafe { Msr::new(FIRST_BANK + bank * BANK_REGISTERS).write(u64::MAX) };
        }
        banks.clear(u64::from(bank));
    }
}

/// Family and model, if the processor is Intel's.
fn intel_model() -> Option<(u8, u8)> {
    let cpuid = CpuId::new();
    cpuid.get_vendor_info().filter(|vendor| vendor.as_str() == "GenuineIntel")?;
    let features = cpuid.get_feature_info()?;
    Some((features.family_id(), features.model_id()))
}

/// On early models of Intel's family 6 the control register of bank 0 is for the firmware alone (SDM, "Machine-Check
/// Initialization").
fn first_bank_is_the_firmwares() -> bool {
    intel_model().is_some_and(|(family, model)| family == 6 && model < 0x1a)
}

/// Whether every CPU is told of a machine check of any (SDM, "Machine-Check Exception Handler": family 6 from model 0xE
/// on; others only the one concerned).
pub fn are_broadcast() -> bool {
    intel_model().is_some_and(|(family, model)| family > 6 || family == 6 && model >= 0xe)
}
