//! Stopping a CPU, and ending the machine: QEMU's `isa-debug-exit` device, whose exit status is `value << 1 | 1`.

use x86_64::instructions::port::PortWriteOnly;

/// Where `cargo xtask` puts the device.
const PORT: u16 = 0xf4;

/// How the machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ExitStatus {
    /// The first program was content.
    Pass = 0x10,
    /// The first program was not, or ended without a word.
    Fail = 0x11,
    /// The kernel gave up by itself.
    Panic = 0x12,
    /// A trap in the kernel that it cannot go on from.
    Lockdown = 0x13,
}

/// Ends QEMU, if it has the device. Comes back if not.
pub fn leave_emulator(verdict: ExitStatus) {
    let mut port = PortWriteOnly::new(PORT);
    // SAFETY: without the device the port is unused on PCs.
    unsafe { port.write(verdict as u32) };
}

/// Stops this CPU for ever.
pub fn stop_cpu() -> ! {
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}
