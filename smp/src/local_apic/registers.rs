//! Access to the local APIC's registers: the only place that touches the hardware.

use core::arch::asm;

use x86_64::registers::model_specific::Msr;

/// A local APIC register, known by its number: the MSR is `0x800 + number`, the offset in the page is
/// `number << 4`. Source: Intel SDM volume 3A, "x2APIC Register Address Space".
///
/// The timer's current count (`0x39`) is not among them: reading it ends QEMU under `-icount`, and nothing
/// here needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(u8);

impl Register {
    pub(super) const ID: Self = Self(0x02);
    pub(super) const VERSION: Self = Self(0x03);
    pub(super) const TASK_PRIORITY: Self = Self(0x08);
    pub(super) const END_OF_INTERRUPT: Self = Self(0x0b);
    pub(super) const SPURIOUS_VECTOR: Self = Self(0x0f);
    pub(super) const ERROR_STATUS: Self = Self(0x28);
    pub(super) const LVT_CMCI: Self = Self(0x2f);
    pub(super) const COMMAND_LOW: Self = Self(0x30);
    pub(super) const COMMAND_HIGH: Self = Self(0x31);
    pub(super) const LVT_TIMER: Self = Self(0x32);
    pub(super) const LVT_THERMAL: Self = Self(0x33);
    pub(super) const LVT_PERFORMANCE: Self = Self(0x34);
    pub(super) const LVT_LINT0: Self = Self(0x35);
    pub(super) const LVT_LINT1: Self = Self(0x36);
    pub(super) const LVT_ERROR: Self = Self(0x37);
    pub(super) const TIMER_INITIAL_COUNT: Self = Self(0x38);
    pub(super) const TIMER_DIVIDE: Self = Self(0x3e);

    /// A word of the in-service register, which has a bit for each vector: number 0 to 7.
    pub(super) const fn in_service(word: u8) -> Self {
        Self(0x10 + word)
    }

    /// The word of the interrupt request register that holds a vector's bit.
    pub(super) const fn interrupt_request(vector: u8) -> Self {
        Self(0x20 + vector / 32)
    }

    /// The register's MSR in x2APIC mode.
    #[must_use]
    pub const fn msr(self) -> u32 {
        0x800 + self.0 as u32
    }

    /// The register's offset in xAPIC mode's page, in bytes.
    #[must_use]
    pub const fn offset(self) -> usize {
        (self.0 as usize) << 4
    }
}

/// How [`super::LocalApic`] reaches registers. [`Hardware`] is the real one; tests record instead.
pub trait RegisterAccess: Copy {
    /// Reads a register of xAPIC mode's page.
    fn read_memory(&self, register: Register) -> u32;
    /// Writes a register of xAPIC mode's page.
    fn write_memory(&self, register: Register, value: u32);
    /// Reads a model-specific register.
    fn read_msr(&self, number: u32) -> u64;
    /// Writes a model-specific register.
    fn write_msr(&self, number: u32, value: u64);
    /// Lets no earlier load or store be seen after a later MSR write: `mfence; lfence`.
    fn fence(&self);
    /// Lets the compiler move no earlier load or store behind a later write to the page: the processor does not, as the page is
    /// uncached.
    fn compiler_fence(&self);
}

/// The registers of the CPU that runs the code. Only [`super::LocalApic::new`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Hardware {
    page: *mut u8,
}

impl Hardware {
    /// # Safety
    /// As for [`super::LocalApic::new`].
    pub(super) const unsafe fn new(page: *mut u8) -> Self {
        Self { page }
    }

    fn pointer(&self, register: Register) -> *mut u32 {
        self.page.wrapping_add(register.offset()).cast()
    }
}

// SAFETY: the page shows each CPU its own local APIC, so the pointer means the same on every CPU, and no CPU's
// access races with another's.
unsafe impl Send for Hardware {}
// SAFETY: as above; each access is one load or one store of a device register.
unsafe impl Sync for Hardware {}

impl RegisterAccess for Hardware {
    #[inline(always)]
    fn read_memory(&self, register: Register) -> u32 {
        // SAFETY: `LocalApic::new` was promised a mapped local APIC page for xAPIC mode, the only mode that
        // comes here; every register lies in it and is aligned to 16 bytes.
        unsafe { self.pointer(register).read_volatile() }
    }

    #[inline(always)]
    fn write_memory(&self, register: Register, value: u32) {
        // SAFETY: as for `read_memory`.
        unsafe { self.pointer(register).write_volatile(value) }
    }

    #[inline(always)]
    fn read_msr(&self, number: u32) -> u64 {
        // SAFETY: `LocalApic::new` was promised ring 0; the driver names only MSRs that the mode in force, or
        // for the TSC deadline the caller's CPUID check, makes readable.
        unsafe { Msr::new(number).read() }
    }

    #[inline(always)]
    fn write_msr(&self, number: u32, value: u64) {
        // SAFETY: as for `read_msr`; the values keep reserved bits zero and mode changes legal.
        unsafe { Msr::new(number).write(value) }
    }

    #[inline(always)]
    fn fence(&self) {
        // SAFETY: two fences: no registers, no flags, no stack. Without `nomem` the compiler keeps the order too.
        unsafe { asm!("mfence", "lfence", options(nostack, preserves_flags)) }
    }

    #[inline(always)]
    fn compiler_fence(&self) {
        core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_have_the_addresses_of_the_manual() {
        for (register, msr, offset) in [
            (Register::ID, 0x802, 0x20),
            (Register::VERSION, 0x803, 0x30),
            (Register::TASK_PRIORITY, 0x808, 0x80),
            (Register::END_OF_INTERRUPT, 0x80b, 0xb0),
            (Register::SPURIOUS_VECTOR, 0x80f, 0xf0),
            (Register::in_service(0), 0x810, 0x100),
            (Register::in_service(7), 0x817, 0x170),
            (Register::interrupt_request(0), 0x820, 0x200),
            (Register::interrupt_request(255), 0x827, 0x270),
            (Register::ERROR_STATUS, 0x828, 0x280),
            (Register::LVT_CMCI, 0x82f, 0x2f0),
            (Register::COMMAND_LOW, 0x830, 0x300),
            (Register::COMMAND_HIGH, 0x831, 0x310),
            (Register::LVT_TIMER, 0x832, 0x320),
            (Register::LVT_THERMAL, 0x833, 0x330),
            (Register::LVT_PERFORMANCE, 0x834, 0x340),
            (Register::LVT_LINT0, 0x835, 0x350),
            (Register::LVT_LINT1, 0x836, 0x360),
            (Register::LVT_ERROR, 0x837, 0x370),
            (Register::TIMER_INITIAL_COUNT, 0x838, 0x380),
            (Register::TIMER_DIVIDE, 0x83e, 0x3e0),
        ] {
            assert_eq!((register.msr(), register.offset()), (msr, offset), "{register:?}");
        }
    }
}
