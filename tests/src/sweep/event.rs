//! What can happen to a CPU between two instructions.

use std::fmt;

/// An event from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A non-maskable interrupt.
    NonMaskable,
    /// A machine check that needs no action: the kernel counts it and goes on.
    MachineCheck,
    /// #DB behind the next instruction: RFLAGS.TF.
    Step,
}

impl Event {
    /// The vector.
    pub const fn vector(self) -> usize {
        match self {
            Self::Step => 1,
            Self::NonMaskable => 2,
            Self::MachineCheck => 18,
        }
    }

    /// What QEMU's monitor is told; a step is the debugger's to make.
    pub(super) const fn command(self) -> Option<&'static str> {
        match self {
            Self::NonMaskable => Some("nmi"),
            // VAL UC EN MISCV ADDRV S, memory scrubbing; MCIP RIPV.
            Self::MachineCheck => Some("mce 0 2 0xbd000000000000c0 0x5 0x12345000 0x8c"),
            Self::Step => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NonMaskable => "NMI",
            Self::MachineCheck => "#MC",
            Self::Step => "#DB",
        })
    }
}

/// Events at one place, all at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// The address of the kernel's instruction before which they come; `None`: the program's mark.
    pub at: Option<u64>,
    /// What comes, each at most once.
    pub events: Vec<Event>,
}

impl Strike {
    /// At the program's mark.
    pub fn at_mark(event: Event) -> Self {
        Self { at: None, events: vec![event] }
    }

    /// Before an instruction of the kernel.
    pub fn before(address: u64, events: &[Event]) -> Self {
        Self { at: Some(address), events: events.to_vec() }
    }
}
