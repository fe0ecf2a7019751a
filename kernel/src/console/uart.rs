//! The controller of the serial line, a 16550.
//!
//! Source: Texas Instruments PC16550D data sheet, "Interrupt Enable Register" and "FIFO Interrupt Mode Operation".

use core::fmt::Write;

use gatehouse_core::byte_queue::ByteQueue;
use uart_16550::backend::PioBackend;
use uart_16550::spec::registers::{IER, LSR};
use uart_16550::{Config, Uart16550};

use super::transmitter::{Line, Transmitter};

/// COM1.
const PORT: u16 = 0x3f8;

/// Bytes that may wait for a reader. When they are that many the interrupt is off, the controller's own queue fills, and
/// whoever sends has to wait.
const RECEIVED: usize = 4096;

/// Looks at the controller in one interrupt: it is an edge, so the controller must have nothing left to say at the end.
const LOOKS: usize = 64;

/// Polls until the controller is taken to be stuck: some 100 ms, as a poll takes most of a microsecond.
const DRAIN_POLLS: u32 = 100_000;

/// The port; absent until first used, and for ever where the machine has none.
enum Port {
    Unknown,
    Absent,
    Present(Uart16550<PioBackend>),
}

/// The line, both ways.
pub(super) struct Serial {
    port: Port,
    transmitter: Transmitter,
    received: ByteQueue<RECEIVED>,
    received_count: u64,
    /// The controller's interrupt comes to a CPU.
    by_interrupt: bool,
}

impl Line for Uart16550<PioBackend> {
    fn send(&mut self, bytes: &[u8]) -> usize {
        self.send_bytes(bytes)
    }
}

impl Serial {
    pub(super) const fn new() -> Self {
        Self {
            port: Port::Unknown,
            transmitter: Transmitter::new(),
            received: ByteQueue::new(),
            received_count: 0,
            by_interrupt: false,
        }
    }

    fn open(&mut self) {
        if matches!(self.port, Port::Unknown) {
            self.port = open().map_or(Port::Absent, Port::Present);
        }
    }

    /// Takes a program's text, as many lines as there is room for; answers how many bytes. Without a controller it goes nowhere.
    pub(super) fn write_text(&mut self, text: &str) -> usize {
        self.with_port(|transmitter, uart| transmitter.write_text(uart, text)).unwrap_or(text.len())
    }

    /// Takes lines of the kernel: all that `write` writes, or nothing.
    pub(super) fn write_lines(&mut self, write: impl FnOnce(&mut dyn Write)) {
        self.with_port(|transmitter, uart| transmitter.write_lines(uart, write));
    }

    /// Counts bytes of the kernel's that could not be written.
    pub(super) const fn lose(&mut self, bytes: u64) {
        self.transmitter.lose(bytes);
    }

    /// Gives the controller what it takes of what waits.
    pub(super) fn pump(&mut self) {
        self.with_port(|transmitter, uart| transmitter.pump(uart));
    }

    /// Begins a line of the report of a fatal error.
    pub(super) fn begin_line(&mut self) {
        self.with_port(|transmitter, uart| transmitter.begin_line(uart));
    }

    /// Writes text of the kernel by polling, behind all that waits.
    pub(super) fn write_all(&mut self, text: &str) {
        self.with_port(|transmitter, uart| transmitter.write_all(uart, text));
    }

    /// Polls until all has gone out, or the line is stuck.
    pub(super) fn flush(&mut self) {
        if let Port::Present(uart) = &mut self.port {
            self.transmitter.flush(uart);
        }
    }

    /// As [`Self::flush`], and then polls until the controller has sent what it had taken, the last bytes of all: some milliseconds.
    pub(super) fn drain(&mut self) {
        self.flush();
        if let Port::Present(uart) = &mut self.port {
            let mut polls = 0;
            while !uart.lsr().contains(LSR::TRANSMITTER_EMPTY) && polls < DRAIN_POLLS {
                core::hint::spin_loop();
                polls += 1;
            }
        }
    }

    /// Does something with the controller, and has it interrupt if bytes wait afterwards. `None` if there is none.
    fn with_port<R>(&mut self, work: impl FnOnce(&mut Transmitter, &mut Uart16550<PioBackend>) -> R) -> Option<R> {
        self.open();
        let Port::Present(uart) = &mut self.port else { return None };
        let answer = work(&mut self.transmitter, uart);
        if self.by_interrupt && self.transmitter.is_waiting() {
            uart.enable_interrupts(IER::THR_EMPTY);
            // It may have become empty before that, for which not every controller interrupts.
            self.transmitter.pump(uart);
        }
        Some(answer)
    }

    /// Lets the controller interrupt; `false` if there is none.
    pub(super) fn enable_interrupts(&mut self) -> bool {
        self.open();
        let Port::Present(uart) = &mut self.port else { return false };
        self.by_interrupt = true;
        uart.enable_interrupts(IER::DATA_READY);
        true
    }

    /// The controller interrupts: takes what has come, sends what waits. Answers whether something has come.
    pub(super) fn interrupt(&mut self) -> bool {
        let Self { port: Port::Present(uart), transmitter, received, received_count, .. } = self else { return false };
        let before = *received_count;
        let mut looks = 0;
        while looks < LOOKS && uart.isr().has_pending_interrupt() {
            *received_count += receive(uart, received);
            transmitter.pump(uart);
            if !transmitter.is_waiting() {
                uart.disable_interrupts(IER::THR_EMPTY);
            }
            looks += 1;
        }
        if looks == LOOKS {
            // Still at it: let other work be done, and come again by a new edge.
            let wanted = uart.ier();
            uart.disable_interrupts(IER::all());
            uart.enable_interrupts(wanted);
        }
        *received_count != before
    }

    /// Whether bytes have come that nobody has taken.
    pub(super) fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    /// Moves bytes that have come to `target`; answers how many.
    pub(super) fn take_received(&mut self, target: &mut [u8]) -> usize {
        let count = self.received.take(target);
        if count > 0
            && self.by_interrupt
            && let Port::Present(uart) = &mut self.port
        {
            uart.enable_interrupts(IER::DATA_READY);
        }
        count
    }

    /// Bytes that have come, that had to wait to be sent, and that were dropped, since the start.
    pub(super) const fn counts(&self) -> (u64, u64, u64) {
        let (queued, dropped) = self.transmitter.counts();
        (self.received_count, queued, dropped)
    }
}

/// Takes what has come, as far as there is room; answers how many bytes. Without room the controller does not interrupt for
/// more.
fn receive(uart: &mut Uart16550<PioBackend>, received: &mut ByteQueue<RECEIVED>) -> u64 {
    let mut count = 0;
    while received.room() > 0 {
        let Ok(byte) = uart.try_receive_byte() else { return count };
        received.push(&[byte]);
        count += 1;
    }
    uart.disable_interrupts(IER::DATA_READY);
    count
}

fn open() -> Option<Uart16550<PioBackend>> {
    // SAFETY: the port is COM1's by convention, and this module is its only user.
    let mut uart = unsafe { Uart16550::new_port(PORT) }.ok()?;
    uart.init(Config::default()).ok()?;
    Some(uart)
}
