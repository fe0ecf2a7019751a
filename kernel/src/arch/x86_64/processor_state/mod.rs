//! What RESET, INIT, firmware and loader leave in a CPU and this kernel does not use, or uses with one value for ever: set on each
//! CPU before it runs anything else. `docs/isa/x86_64/processor-state.md` is the table, register by register.

mod dirty;
mod features;
mod memory_types;
mod rows;
mod show;

use percpu::CpuIndex;

use self::features::Features;
use self::rows::{ROWS, Value, counter_controls};
use super::system_call_registers::SyscallEntry;
use super::{debug_registers, msr};

pub use dirty::dirty;
pub use show::{Shown, show};

/// Sets everything that is not control registers, descriptors and floating-point unit. Answers whether this CPU's memory types
/// are those of the CPU that came here first: they are the firmware's to set, and must be the same.
///
/// # Safety
/// Ring 0, once per CPU, with the IDT loaded and before any thread runs there.
#[must_use]
pub(super) unsafe fn initialise(index: CpuIndex, syscall_entry: SyscallEntry) -> bool {
    let features = Features::detect();
    for row in ROWS.iter().filter(|row| (row.is_there)(&features)) {
        let Some(value) = value(row.value, index, syscall_entry, || msr::read(row.number)) else { continue };
        // What is refused is not there, whatever CPUID says, and needs no value.
        // SAFETY: each value switches something off, or is what the kernel relies on.
        let _refused = unsafe { msr::write(row.number, value) };
    }
    for control in counter_controls(&features) {
        // SAFETY: as above: zero switches the counters off.
        let _refused = unsafe { msr::write(control, 0) };
    }
    debug_registers::clear();
    memory_types::agree(&features)
}

/// What to write; `None` if the register cannot be read, or is as it should be.
fn value(value: Value, index: CpuIndex, syscall_entry: SyscallEntry, old: impl FnOnce() -> Option<u64>) -> Option<u64> {
    match value {
        Value::Is(value) => Some(value),
        Value::CpuIndex => Some(u64::from(index.get())),
        Value::SyscallEntry => Some(syscall_entry as *const () as u64),
        Value::Without(bits) => without(bits, old()),
    }
}

/// What a register becomes that loses some bits; `None` if it has none of them, or is not there.
fn without(bits: u64, old: Option<u64>) -> Option<u64> {
    old.filter(|old| old & bits != 0).map(|old| old & !bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_taken_away_only_where_they_are() {
        assert_eq!(without(0b110, Some(0b1011)), Some(0b1001));
        assert_eq!(without(0b110, Some(0b1001)), None);
        assert_eq!(without(0b110, None), None);
    }
}
