//! What a bad loader could leave, for tests: every register that the kernel sets gets another value first.

use core::arch::asm;

use x86_64::registers::control::{Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags};

use super::features::Features;
use super::rows::{ROWS, Value, counter_controls};
use crate::arch::x86_64::msr;

/// `IA32_EFER`.
const EFER: u32 = 0xc000_0080;

/// Fills the registers of the calling CPU, as far as it takes the values. They are what nobody needs to run in ring 0.
///
/// # Safety
/// Ring 0, with the IDT loaded; all of it is set right before anything else runs.
pub unsafe fn dirty() {
    let features = Features::detect();
    for row in ROWS.iter().filter(|row| (row.is_there)(&features)) {
        let value = match row.value {
            Value::Is(value) => value ^ 1,
            Value::CpuIndex => 0xdead,
            Value::SyscallEntry => 0x40_0000,
            Value::Without(bits) => msr::read(row.number).unwrap_or(0) | bits,
        };
        // SAFETY: none of them changes how code in ring 0 runs that executes no SYSENTER and touches no new memory.
        let _refused = unsafe { msr::write(row.number, value) };
    }
    for control in counter_controls(&features) {
        // SAFETY: a counter that counts changes nothing else.
        let _refused = unsafe { msr::write(control, 1) };
    }
    // SAFETY: a breakpoint at a user address; debugging extensions, RDTSC and RDPMC concern ring 3; the last bit makes FXSAVE
    // in ring 0 leave out the vector registers, and is not there on every processor, which the safe write bears.
    unsafe {
        asm!("mov dr0, {}", in(reg) 0x40_0000_u64, options(nostack, preserves_flags));
        asm!("mov dr7, {}", in(reg) 0x701_u64, options(nostack, preserves_flags));
        Cr4::update(|flags| {
            flags.insert(
                Cr4Flags::TIMESTAMP_DISABLE | Cr4Flags::DEBUGGING_EXTENSIONS | Cr4Flags::PERFORMANCE_MONITOR_COUNTER,
            );
        });
        let fast = Efer::read_raw() | EferFlags::FAST_FXSAVE_FXRSTOR.bits();
        let _refused = msr::write(EFER, fast);
    }
}
