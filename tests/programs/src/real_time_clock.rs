//! The real-time clock, driven outside the kernel: the device that every machine but `microvm` has, and whose interrupts a
//! program can set going.
//!
//! Source: Motorola MC146818 data sheet, "Registers" (A: rate, B: enables, C: flags, cleared by reading).

use crate::raw::device::{create_interrupt, create_ports, read_port, write_port};
use crate::raw::notification::create;

use crate::check;

/// The clock's interrupt on the ISA bus, an edge.
pub const LINE: u64 = 8;
/// The port that takes a register's number.
pub const INDEX: u16 = 0x70;
/// The port of the register's value.
pub const DATA: u16 = 0x71;

const REGISTER_A: u8 = 0x0a;
const REGISTER_B: u8 = 0x0b;
const REGISTER_C: u8 = 0x0c;
/// In register A: 32768 Hz divided for 1024 interrupts a second.
const RATE_1024: u8 = 0x26;
/// In register B: interrupts at that rate. In register C: one was.
const PERIODIC: u8 = 0x40;
/// In register B: hours count to 24.
const HOURS_24: u8 = 0x02;

/// The capabilities of a driver of the clock.
#[derive(Clone, Copy, Debug)]
pub struct RealTimeClock {
    /// The two ports.
    pub ports: u64,
    /// The line.
    pub interrupt: u64,
    /// Who is told of interrupts, once it is bound.
    pub notification: u64,
}

impl RealTimeClock {
    /// Makes the objects, and sets the rate. Ends the program if they cannot be made.
    #[must_use]
    pub fn create() -> Self {
        let made = (create_ports(INDEX, 2), create_interrupt(LINE), create());
        let (Ok(ports), Ok(interrupt), Ok(notification)) = made else {
            crate::wrong(file!(), format_args!("no objects: {made:?}"))
        };
        let clock = Self { ports, interrupt, notification };
        clock.write(REGISTER_A, RATE_1024);
        clock
    }

    /// Lets it interrupt 1024 times a second.
    pub fn start(self) {
        self.write(REGISTER_B, PERIODIC | HOURS_24);
    }

    /// Lets it interrupt no more.
    pub fn stop(self) {
        self.write(REGISTER_B, HOURS_24);
    }

    /// Makes it ready for its next interrupt. Answers whether it says that it has interrupted.
    pub fn clear(self) -> bool {
        let flags = write_port(self.ports, INDEX, REGISTER_C).and_then(|_| read_port(self.ports, DATA));
        match flags {
            Ok(flags) => flags & PERIODIC != 0,
            Err(error) => crate::wrong(file!(), format_args!("no flags: {error:?}")),
        }
    }

    fn write(self, register: u8, value: u8) {
        let written = write_port(self.ports, INDEX, register).and_then(|_| write_port(self.ports, DATA, value));
        check!(written.is_ok(), "register {register:#x}: {written:?}");
    }
}
