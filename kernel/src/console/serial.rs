//! The serial line, COM1.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use percpu::CpuIndex;
use smp::icr::{Command, Destination};

use super::uart::Serial;
use crate::arch::KernelInterrupt;
use crate::cpu;
use crate::sync::{Mutex, MutexGuard, rank, steal};

/// The port. Whoever holds the lock moves bytes in memory, and a bounded number to the controller; nobody waits for that.
static SERIAL: Mutex<Serial, rank::Serial> = Mutex::new(Serial::new());

/// The controller has interrupted while somebody had the line, who is to see to it.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Bytes of lines that could not be written, for whoever has the line next.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Does something with the line.
pub(super) fn with<R>(work: impl FnOnce(&mut Serial) -> R) -> R {
    let answer = work_on(SERIAL.lock(), work);
    interrupt_again();
    answer
}

/// Does something with the line in its interrupt, which waits for nobody: whoever has the line sends the interrupt again.
pub(super) fn with_in_interrupt<R>(work: fn(&mut Serial) -> R) -> Option<R> {
    let attempt = || SERIAL.try_lock().map(|serial| work_on(serial, work));
    let answer = attempt().or_else(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        // Whoever lets the line go behind the next attempt sees the mark: there is a fence there, too, between letting go
        // and looking.
        fence(Ordering::SeqCst);
        attempt()
    });
    if answer.is_some() {
        interrupt_again();
    }
    answer
}

fn work_on<R>(mut serial: MutexGuard<'_, Serial, rank::Serial>, work: impl FnOnce(&mut Serial) -> R) -> R {
    take_lost(&mut serial);
    work(&mut serial)
}

fn take_lost(serial: &mut Serial) {
    if LOST.load(Ordering::Relaxed) != 0 {
        serial.lose(LOST.swap(0, Ordering::Relaxed));
    }
}

/// The line is free again: an interrupt that came meanwhile is sent again.
fn interrupt_again() {
    fence(Ordering::SeqCst);
    if INTERRUPTED.load(Ordering::Relaxed) && INTERRUPTED.swap(false, Ordering::SeqCst) {
        send_interrupt();
    }
}

#[cold]
fn send_interrupt() {
    if let (Some(this), Some(first)) = (cpu::try_this(), cpu::by_index(CpuIndex::BOOT)) {
        // What cannot be sent is made up for by the next one who writes.
        let _ =
            this.apic().send(Command::Fixed(KernelInterrupt::Serial.number()), Destination::Physical(first.apic_id()));
    }
}

/// Writes one line, whole: lines of different CPUs never mix.
pub fn line(arguments: fmt::Arguments<'_>) {
    block(|out| {
        // The line counts what it drops, and formatting of the kernel's own types does not fail.
        let _ = out.write_fmt(arguments);
    });
}

/// Writes one line if nobody is writing, or will have finished in a moment; else it is counted as lost. For handlers that may have
/// interrupted whoever holds the line, or whoever is about to send an interrupt: it sends none, and leaves one that comes meanwhile
/// to the next who has the line.
pub fn line_if_free(arguments: fmt::Arguments<'_>) {
    for _ in 0..MOMENT {
        if let Some(serial) = SERIAL.try_lock() {
            work_on(serial, |serial| {
                serial.write_lines(|out| {
                    // As in `line`.
                    let _ = out.write_fmt(arguments);
                });
            });
            return;
        }
        core::hint::spin_loop();
    }
    let mut length = Length(0);
    // Counting does not fail.
    let _ = length.write_fmt(arguments);
    LOST.fetch_add(length.0, Ordering::Relaxed);
}

/// Attempts of a moment: longer than anybody holds the line, by far.
const MOMENT: u32 = 20_000;

/// How long a text would be.
struct Length(u64);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len() as u64;
        Ok(())
    }
}

/// Writes the lines that `write` writes, whole: all of them, or none if there is no room, which is counted and told.
pub fn block(write: impl FnOnce(&mut dyn Write)) {
    with(|serial| serial.write_lines(write));
}

/// Takes a program's text, as many lines as there is room for, whole; answers how many bytes those are. Control characters, and
/// what would look like a line of the kernel, are written so that they do no harm.
#[must_use]
pub fn text(text: &str) -> usize {
    with(|serial| serial.write_text(text))
}

/// The serial line for the CPU that reports a fatal error: holds the lock until it is dropped, and breaks it if its
/// holder does not let go, because that holder may be the very code that failed. What is written goes out by polling,
/// behind what waited before.
#[expect(missing_debug_implementations, reason = "nobody prints a printer")]
pub struct Emergency(MutexGuard<'static, Serial, rank::Serial>);

/// Polls before the lock is broken: some 100 ms, longer than any line takes.
const PATIENCE: u32 = 10_000_000;

impl Emergency {
    /// Takes the serial line.
    #[must_use]
    pub fn take() -> Self {
        let mut emergency = Self(Self::lock());
        take_lost(&mut emergency.0);
        emergency.0.begin_line();
        emergency
    }

    fn lock() -> MutexGuard<'static, Serial, rank::Serial> {
        for _ in 0..PATIENCE {
            if let Some(guard) = SERIAL.try_lock() {
                return guard;
            }
            core::hint::spin_loop();
        }
        // SAFETY: the other CPUs are stopped or stuck by now; the worst that follows is a garbled line.
        unsafe { steal(&SERIAL) }
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
        self.0.write_all(text);
        Ok(())
    }
}
