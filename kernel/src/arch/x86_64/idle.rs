//! What a CPU does when no thread wants it.
//!
//! Two ways, each entered through a frame of ring 0 with interrupts off and RSP at the top of the interrupt stack, and left for
//! good by an interrupt: whoever runs next is returned to through its own frame, and idling again starts from the top.
//!
//! `sti` takes effect after the next instruction, so no interrupt can come between it and `hlt` or `mwait`. The jump is for
//! NMI, which does come back.

use core::arch::naked_asm;
use core::fmt;

use raw_cpuid::CpuId;

use super::frame::TrapFrame;

/// How a CPU waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idle {
    /// HLT.
    #[default]
    Halt,
    /// MONITOR and MWAIT, with the hint for C1, which every processor that has them has.
    MonitorWait,
}

/// What the choice depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleFeatures {
    /// The processor has MONITOR and MWAIT.
    pub monitor: bool,
    /// The bytes that MONITOR watches at a time; 0 where it is there in name only.
    pub monitor_line: u16,
    /// A hypervisor runs this machine.
    pub hypervisor: bool,
}

/// A word of the command line that cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleError<'word> {
    /// It is no way to wait.
    Unknown(&'word str),
    /// The processor has no MONITOR and MWAIT.
    NoMonitor,
}

impl fmt::Display for IdleError<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => write!(out, "idle={word} on the command line is neither hlt nor mwait"),
            Self::NoMonitor => {
                out.write_str("idle=mwait on the command line, and the processor has no MONITOR and MWAIT")
            }
        }
    }
}

impl IdleFeatures {
    /// Those of the CPU that this runs on.
    #[must_use]
    pub fn detect() -> Self {
        let cpuid = CpuId::new();
        let features = cpuid.get_feature_info();
        Self {
            monitor: features.as_ref().is_some_and(|features| features.has_monitor_mwait()),
            monitor_line: cpuid.get_monitor_mwait_info().map_or(0, |info| info.largest_monitor_line()),
            hypervisor: features.is_some_and(|features| features.has_hypervisor()),
        }
    }
}

impl Idle {
    /// What the command line says (`idle=hlt`, `idle=mwait`), or what costs least.
    ///
    /// MWAIT wakes sooner on hardware. A hypervisor lets its guest have MWAIT natively, and then does not see that the CPU
    /// waits; or makes it something else: QEMU's translator goes on at once on a machine with more than one CPU, so that
    /// waiting would be a loop that keeps the host busy, and says that a monitored line has 0 bytes. HLT gives the host's processor away everywhere.
    ///
    /// # Errors
    /// [`IdleError`].
    pub fn choose(wanted: Option<&str>, features: IdleFeatures) -> Result<Self, IdleError<'_>> {
        match wanted {
            Some("hlt") => Ok(Self::Halt),
            Some("mwait") if features.monitor => Ok(Self::MonitorWait),
            Some("mwait") => Err(IdleError::NoMonitor),
            Some(other) => Err(IdleError::Unknown(other)),
            None if features.monitor && features.monitor_line > 0 && !features.hypervisor => Ok(Self::MonitorWait),
            None => Ok(Self::Halt),
        }
    }

    /// The frame by which a CPU with this interrupt stack goes idle.
    #[must_use]
    pub fn frame(self, interrupt_stack_top: u64) -> TrapFrame {
        let code = match self {
            Self::Halt => idle as *const (),
            Self::MonitorWait => idle_by_monitor as *const (),
        };
        // SAFETY: the code uses no stack but for the interrupt that ends it, and the interrupt stack is empty then.
        unsafe { TrapFrame::kernel(code as u64, interrupt_stack_top) }
    }
}

/// Waits for the next interrupt by HLT.
///
/// # Safety
/// Only a frame made for it may lead here, in the state described above; it is no function to be called.
#[unsafe(naked)]
unsafe extern "C" fn idle() {
    naked_asm!("2:", "sti", "hlt", "cli", "jmp 2b")
}

/// Waits for the next interrupt by MWAIT. What is monitored is the line below the top of the interrupt stack, which nobody
/// writes but the interrupt itself: only interrupts are to end the wait. RAX, RCX and RDX are lost.
///
/// # Safety
/// As for [`idle`].
#[unsafe(naked)]
unsafe extern "C" fn idle_by_monitor() {
    naked_asm!(
        "2:",
        "lea rax, [rsp - 64]",
        "xor ecx, ecx",
        "xor edx, edx",
        "monitor",
        // C1, and no extensions: interrupts end the wait because they are on.
        "xor eax, eax",
        "sti",
        "mwait",
        "cli",
        "jmp 2b"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: IdleFeatures = IdleFeatures { monitor: true, monitor_line: 64, hypervisor: false };
    const GUEST: IdleFeatures = IdleFeatures { hypervisor: true, ..BARE };
    const ODD: IdleFeatures = IdleFeatures { monitor_line: 0, ..BARE };
    const OLD: IdleFeatures = IdleFeatures { monitor: false, ..ODD };

    #[test]
    fn mwait_is_for_processors_that_have_it_and_no_hypervisor() {
        assert_eq!(Idle::choose(None, BARE), Ok(Idle::MonitorWait));
        assert_eq!(Idle::choose(None, GUEST), Ok(Idle::Halt));
        assert_eq!(Idle::choose(None, ODD), Ok(Idle::Halt));
        assert_eq!(Idle::choose(None, OLD), Ok(Idle::Halt));
    }

    #[test]
    fn the_command_line_decides_if_the_processor_can() {
        assert_eq!(Idle::choose(Some("hlt"), BARE), Ok(Idle::Halt));
        assert_eq!(Idle::choose(Some("mwait"), GUEST), Ok(Idle::MonitorWait));
        assert_eq!(Idle::choose(Some("mwait"), OLD), Err(IdleError::NoMonitor));
        assert_eq!(Idle::choose(Some("poll"), BARE), Err(IdleError::Unknown("poll")));
        assert_eq!(IdleError::Unknown("").to_string(), "idle= on the command line is neither hlt nor mwait");
    }
}
