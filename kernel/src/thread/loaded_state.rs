//! What a CPU holds of threads' state beside their registers.

use core::cell::Cell;

use percpu::{AreaBuilder, CpuIndex, CpuLocal, per_cpu};

per_cpu! {
    /// What is loaded on this CPU. Its index is set before it runs.
    pub static LOADED_STATE: CpuLocal<LoadedState> = LoadedState::new(CpuIndex::BOOT);
}

/// Prepares a CPU that is being made.
pub fn prepare_cpu(area: &mut AreaBuilder, index: CpuIndex) {
    area.set(&LOADED_STATE, LoadedState::new(index));
}

/// Whose floating-point state and hardware breakpoints are loaded.
#[derive(Debug)]
pub struct LoadedState {
    /// The CPU's index while neither is loaded, else no CPU's: what the placement of a thread must equal for the shortest switch to it.
    plain_index: Cell<u64>,
    index: CpuIndex,
    /// The floating-point unit holds the state of a thread that has used it, and TS is clear; else the initial state.
    fpu_allowed: Cell<bool>,
    /// Whose hardware breakpoints the debug registers hold: [`crate::arch::DebugRegisters::identity`]; 0 for none.
    debug_registers: Cell<u64>,
}

impl LoadedState {
    /// Nothing is loaded on the CPU with this index.
    #[must_use]
    pub const fn new(index: CpuIndex) -> Self {
        Self {
            plain_index: Cell::new(index.get() as u64),
            index,
            fpu_allowed: Cell::new(false),
            debug_registers: Cell::new(0),
        }
    }

    /// What the placement of a thread must equal for the shortest switch to it.
    #[must_use]
    #[inline(always)]
    pub const fn plain_index(&self) -> u64 {
        self.plain_index.get()
    }

    /// Whether neither floating-point state nor hardware breakpoints are loaded.
    #[must_use]
    #[inline(always)]
    pub const fn is_plain(&self) -> bool {
        self.plain_index.get() != u64::MAX
    }

    /// Whether the running thread may use the floating-point unit.
    #[must_use]
    pub const fn fpu_allowed(&self) -> bool {
        self.fpu_allowed.get()
    }

    /// Notes whether the running thread may use the unit; answers what was noted before.
    pub fn set_fpu_allowed(&self, allowed: bool) -> bool {
        let before = self.fpu_allowed.replace(allowed);
        self.update_plain_index();
        before
    }

    /// Whose hardware breakpoints the debug registers hold: [`crate::arch::DebugRegisters::identity`]; 0 for none.
    #[must_use]
    pub const fn debug_registers(&self) -> u64 {
        self.debug_registers.get()
    }

    /// Notes whose they hold.
    pub fn set_debug_registers(&self, identity: u64) {
        self.debug_registers.set(identity);
        self.update_plain_index();
    }

    fn update_plain_index(&self) {
        let is_plain = !self.fpu_allowed.get() && self.debug_registers.get() == 0;
        self.plain_index.set(if is_plain { u64::from(self.index.get()) } else { u64::MAX });
    }
}

#[cfg(test)]
mod tests {
    use super::LoadedState;
    use percpu::CpuIndex;

    #[test]
    fn it_is_plain_while_nothing_is_loaded() {
        let state = LoadedState::new(CpuIndex::new(3));
        assert!(state.is_plain() && state.plain_index() == 3);
        assert!(!state.set_fpu_allowed(true) && !state.is_plain());
        state.set_debug_registers(5);
        assert!(state.set_fpu_allowed(false) && !state.is_plain() && state.debug_registers() == 5);
        state.set_debug_registers(0);
        assert!(state.is_plain() && state.plain_index() == 3);
    }
}
