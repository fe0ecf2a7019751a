//! What a debugger asks of a thread, and changes in it.

use super::{OffCpu, Thread, ThreadFlag};
use crate::arch::{Arch, ArchTrap as _, DebugRegisters, Frame, HardwareBreakpoint, RefusedBreakpoint, TrapInfo};

impl OffCpu<'_> {
    /// The breakpoint, step or watchpoint that stopped it; `None` if its last trap was another one.
    #[must_use]
    pub fn breakpoint(&self) -> Option<TrapInfo> {
        Arch::breakpoint(self.frame())
    }

    /// Sets or clears one of its hardware breakpoints.
    ///
    /// # Errors
    /// [`RefusedBreakpoint`] if there is none of that number.
    pub fn set_hardware_breakpoint(
        &mut self,
        number: u64,
        breakpoint: Option<HardwareBreakpoint>,
    ) -> Result<(), RefusedBreakpoint> {
        self.debug_registers().set(number, breakpoint)?;
        self.flags().put(ThreadFlag::DebugRegisters, self.debug_registers().identity() != 0);
        Ok(())
    }
}

impl Thread {
    /// Whether [`OffCpu::breakpoint`] may have an answer. Anybody may ask at any time; what is true of a thread that others own
    /// may be false a moment later.
    #[must_use]
    pub fn may_stand_at_breakpoint(&self) -> bool {
        // SAFETY: the frame lives as long as the thread.
        unsafe { Frame::may_be_breakpoint(self.frame_pointer()) }
    }

    /// Its hardware breakpoints.
    #[must_use]
    #[inline(always)]
    pub const fn debug_registers(&self) -> &DebugRegisters {
        &self.debug_registers
    }
}
