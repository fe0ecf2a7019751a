//! What an interrupt comes by.

use core::fmt;

use percpu::ApicId;

use super::io_apics::Connection;
use crate::pci::Message;

/// A line of an I/O APIC, or a message of a PCI function.
#[derive(Debug)]
pub enum Source {
    /// A line.
    Line(Connection),
    /// A message.
    Message(Message),
}

impl Source {
    /// Whether it interrupts for being active, not for becoming so.
    #[must_use]
    pub const fn is_level(&self) -> bool {
        match self {
            Self::Line(connection) => connection.is_level(),
            Self::Message(_) => false,
        }
    }

    /// Opens it: it raises `vector` on the CPU with this id. Answers whether that can be expressed.
    pub fn open(&self, vector: u8, destination: ApicId) -> bool {
        match self {
            Self::Line(connection) => connection.open(vector, destination),
            Self::Message(message) => message.open(vector, destination),
        }
    }

    /// Masks it. What it raised before has reached the CPU afterwards.
    pub fn mask(&self) {
        match self {
            Self::Line(connection) => connection.mask(),
            Self::Message(message) => message.mask(),
        }
    }

    /// Whether a CPU has been interrupted for its being active, and has not ended the interrupt: only of what is a level.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        match self {
            Self::Line(connection) => connection.is_level() && connection.is_under_way(),
            Self::Message(_) => false,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(connection) => write!(out, "line {}", connection.interrupt),
            Self::Message(message) => message.fmt(out),
        }
    }
}
