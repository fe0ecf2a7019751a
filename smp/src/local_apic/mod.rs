//! The local APIC of the calling CPU, in xAPIC mode (memory mapped) and x2APIC mode (MSRs).
//!
//! Sources: Intel SDM volume 3A, chapter "Advanced Programmable Interrupt Controller (APIC)"; AMD64
//! Architecture Programmer's Manual volume 2, the chapter of the same name.
//!
//! Of the `x2apic` crate (0.5.1) the register types are used (`ErrorFlags`, `TimerDivide`), and its driver is not. Its `enable` writes LINT0 and LINT1 as zero, unmasked fixed
//! interrupts of vector 0, so that NMIs from the LINT1 pin are lost; its `disable` clears the enable bit
//! alone, an illegal transition in x2APIC mode; nothing orders earlier stores before its x2APIC ICR write;
//! in xAPIC mode it neither shifts ids nor destinations, and its self-IPI goes to a wrong offset; it has no
//! TSC-deadline timer. `known_faults` holds one test of this driver for each.

mod cpuid;
mod driver;
#[cfg(test)]
mod known_faults;
mod mode;
mod pins;
#[cfg(test)]
mod recorder;
mod registers;
mod timer;
mod vector;

pub use cpuid::{has_tsc_deadline, has_x2apic, initial_apic_id};
pub use driver::{LocalApic, SPURIOUS_VECTOR, SendError};
pub use mode::{Mode, ModeError, choose_mode, read_apic_base};
pub use pins::{Pin, Pins};
pub use registers::{Hardware, Register, RegisterAccess};
pub use timer::TimerMode;
pub use vector::Vector;
pub use x2apic::lapic::ErrorFlags;
