//! I/O ports, for drivers outside the kernel.

use x86_64::instructions::port::Port;

/// Reads one, two or four bytes; anything else reads as 0.
///
/// # Safety
/// Whatever listens at the port does nothing to the kernel's memory or CPUs for being read.
#[must_use]
pub unsafe fn read(port: u16, bytes: u64) -> u32 {
    match bytes {
        // SAFETY: the caller's promise, in all three.
        1 => u32::from(unsafe { Port::<u8>::new(port).read() }),
        // SAFETY: as above.
        2 => u32::from(unsafe { Port::<u16>::new(port).read() }),
        // SAFETY: as above.
        4 => unsafe { Port::<u32>::new(port).read() },
        _ => 0,
    }
}

/// Writes one, two or four bytes, the low ones of the value; anything else does nothing.
///
/// # Safety
/// As for [`read`].
pub unsafe fn write(port: u16, bytes: u64, value: u32) {
    match bytes {
        // SAFETY: the caller's promise, in all three.
        1 => unsafe { Port::<u8>::new(port).write(value as u8) },
        // SAFETY: as above.
        2 => unsafe { Port::<u16>::new(port).write(value as u16) },
        // SAFETY: as above.
        4 => unsafe { Port::<u32>::new(port).write(value) },
        _ => {}
    }
}
