//! One register of the calling CPU, for tests.

use core::arch::asm;

use x86_64::registers::xcontrol::XCr0;

use crate::arch::x86_64::{fpu, msr};

/// A register that can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A model-specific register.
    Msr(u32),
    /// CR0, CR4, CR8.
    Control(u32),
    /// DR0 to DR3, DR6, DR7.
    Debug(u32),
    /// XCR0, the only one.
    ExtendedControl,
    /// The selectors of the local descriptor table (0) and of the task state (1).
    Table(u32),
}

macro_rules! read_register {
    ($instruction:literal) => {{
        let value: u64;
        // SAFETY: reading this register changes nothing, in ring 0.
        unsafe { asm!($instruction, out(reg) value, options(nomem, nostack, preserves_flags)) };
        Some(value)
    }};
}

/// What the register holds; `None` if the CPU has none of that number.
#[must_use]
pub fn show(register: Shown) -> Option<u64> {
    match register {
        Shown::Msr(number) => msr::read(number),
        Shown::Control(0) => read_register!("mov {}, cr0"),
        Shown::Control(4) => read_register!("mov {}, cr4"),
        Shown::Control(8) => read_register!("mov {}, cr8"),
        Shown::Debug(0) => read_register!("mov {}, dr0"),
        Shown::Debug(1) => read_register!("mov {}, dr1"),
        Shown::Debug(2) => read_register!("mov {}, dr2"),
        Shown::Debug(3) => read_register!("mov {}, dr3"),
        Shown::Debug(6) => read_register!("mov {}, dr6"),
        Shown::Debug(7) => read_register!("mov {}, dr7"),
        Shown::ExtendedControl => fpu::has_extended_states().then(XCr0::read_raw),
        Shown::Table(0) => read_register!("sldt {}"),
        Shown::Table(1) => read_register!("str {}"),
        Shown::Control(_) | Shown::Debug(_) | Shown::Table(_) => None,
    }
}
