//! The serial line, COM1.

use core::fmt::{self, Write};

use super::uart::Serial;
use crate::sync::{Mutex, MutexGuard};

/// The port. Whoever holds the lock writes whole lines.
pub(super) static SERIAL: Mutex<Serial> = Mutex::new(Serial::new());

/// Writes one line, whole: lines of different CPUs never mix.
pub fn line(arguments: fmt::Arguments<'_>) {
    let mut serial = SERIAL.lock();
    // The serial line cannot fail, and formatting of the kernel's own types does not.
    let _ = serial.write_fmt(arguments);
    serial.send(b"\n");
}

/// Writes one line if nobody is writing, or will have finished in a moment; answers whether it did. For handlers that may have
/// interrupted whoever holds the line.
pub fn line_if_free(arguments: fmt::Arguments<'_>) -> bool {
    for _ in 0..MOMENT {
        if let Some(mut serial) = SERIAL.try_lock() {
            // As in `line`.
            let _ = serial.write_fmt(arguments);
            serial.send(b"\n");
            return true;
        }
        core::hint::spin_loop();
    }
    false
}

/// Polls of a moment: some milliseconds, about what a line takes.
const MOMENT: u32 = 200_000;

/// Writes what `write` writes, whole.
pub fn block(write: impl FnOnce(&mut dyn Write)) {
    write(&mut *SERIAL.lock());
}

/// Writes text as it is, whole.
pub fn text(text: &str) {
    SERIAL.lock().send(text.as_bytes());
}

/// The serial line for the CPU that reports a fatal error: holds the lock until it is dropped, and breaks it if its
/// holder does not let go, because that holder may be the very code that failed. What is written goes out by polling,
/// behind what waited before.
#[expect(missing_debug_implementations, reason = "nobody prints a printer")]
pub struct Emergency(MutexGuard<'static, Serial>);

/// Polls before the lock is broken: some 100 ms, longer than any line takes.
const PATIENCE: u32 = 10_000_000;

impl Emergency {
    /// Takes the serial line.
    #[must_use]
    pub fn take() -> Self {
        for _ in 0..PATIENCE {
            if let Some(guard) = SERIAL.try_lock() {
                return Self(guard);
            }
            core::hint::spin_loop();
        }
        // SAFETY: the other CPUs are stopped or stuck by now; the worst that follows is a garbled line.
        unsafe { SERIAL.force_unlock() };
        Self(SERIAL.lock())
    }
}

impl Emergency {
    /// Waits until all that was written has left the controller, too, or the line takes nothing any more. To be called before the
    /// machine ends.
    pub fn drain(&mut self) {
        self.0.drain();
    }
}

impl Write for Emergency {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(text)?;
        self.0.flush();
        Ok(())
    }
}
