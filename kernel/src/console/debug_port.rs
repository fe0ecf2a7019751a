//! The machine-readable channel: QEMU's debug console at port 0xE9, one JSON object a line.

use core::arch::asm;
use core::fmt::{self, Write};

use crate::sync::{Mutex, MutexGuard, rank, steal};

const PORT: u16 = 0xe9;

/// Keeps records whole.
static CHANNEL: Mutex<(), rank::Records> = Mutex::new(());

/// Writes one record and ends the line. Where the machine has no debug console the bytes go nowhere.
pub fn record(pieces: &[&[u8]]) {
    let _whole = CHANNEL.lock();
    pieces.iter().for_each(|piece| send(piece));
    send(b"\n");
}

/// The channel for the CPU that reports a fatal error: holds the lock until it is dropped, and breaks it if its holder does
/// not let go. It begins on a line of its own.
#[expect(missing_debug_implementations, reason = "nobody prints a printer")]
pub struct EmergencyRecord(
    #[expect(dead_code, reason = "held, not looked into")] MutexGuard<'static, (), rank::Records>,
);

/// Polls before the lock is broken: longer than any record takes.
const PATIENCE: u32 = 10_000_000;

impl EmergencyRecord {
    /// Takes the channel.
    #[must_use]
    pub fn take() -> Self {
        for _ in 0..PATIENCE {
            if let Some(guard) = CHANNEL.try_lock() {
                return Self(guard);
            }
            core::hint::spin_loop();
        }
        // SAFETY: the other CPUs are stopped or stuck by now; the worst that follows is a garbled record, and the line end
        // keeps what was begun out of the one that follows.
        let channel = unsafe { steal(&CHANNEL) };
        send(b"\n");
        Self(channel)
    }
}

impl Write for EmergencyRecord {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        send(text.as_bytes());
        Ok(())
    }
}

fn send(bytes: &[u8]) {
    // SAFETY: reads `bytes.len()` bytes from the slice; the port is unused on machines without the device.
    unsafe {
        asm!("rep outsb", in("dx") PORT, inout("rsi") bytes.as_ptr() => _, inout("rcx") bytes.len() => _,
             options(nostack, preserves_flags, readonly));
    }
}
