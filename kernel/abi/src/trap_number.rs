//! The numbers by which every trap is known, whatever the processor calls it.

use core::fmt;

/// What happened, independent of the processor. Bit 63 says that the cause lies outside the
/// instruction stream.
///
/// 0-2, 8-10, 16-18, 24, 25 and 33 and the external 0-2 are the core of the numbering; the gaps hold
/// what x86-64 has besides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct TrapNumber(u64);

macro_rules! trap_numbers {
    ($($(#[$doc:meta])* $name:ident = $value:expr, $text:literal;)*) => {
        impl TrapNumber {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// Every number that has a name.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name, in words; `"unnamed trap"` for a number that has none.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self.0 { $(value if value == $value => $text,)* _ => "unnamed trap" }
            }
        }
    };
}

/// Bit 63: the cause lies outside the instruction stream.
const EXTERNAL: u64 = 1 << 63;

trap_numbers! {
    /// An instruction at an address that its alignment forbids. x86-64 has no such trap.
    UNALIGNED_INSTRUCTION = 0, "unaligned instruction";
    /// #AC on a load.
    UNALIGNED_LOAD = 1, "unaligned load";
    /// #AC on a store.
    UNALIGNED_STORE = 2, "unaligned store";
    /// Execution of memory that cannot exist, such as a non-canonical address.
    INVALID_MEMORY_EXECUTION = 8, "execution of invalid memory";
    /// Load from memory that cannot exist.
    INVALID_MEMORY_LOAD = 9, "load of invalid memory";
    /// Store to memory that cannot exist.
    INVALID_MEMORY_STORE = 10, "store of invalid memory";
    /// #GP or #SS that is not about an address: a privileged instruction, a bad selector.
    PROTECTION = 11, "protection violation";
    /// Page fault of an instruction fetch.
    EXECUTION_PAGE_FAULT = 16, "execution page fault";
    /// Page fault of a load.
    LOAD_PAGE_FAULT = 17, "load page fault";
    /// Page fault of a store.
    STORE_PAGE_FAULT = 18, "store page fault";
    /// #UD.
    UNKNOWN_INSTRUCTION = 24, "unknown instruction";
    /// #BP, `int3`.
    BREAKPOINT = 25, "breakpoint";
    /// #DB: single step, hardware breakpoint or watchpoint.
    DEBUG = 26, "debug";
    /// #DE.
    DIVIDE_ERROR = 27, "divide error";
    /// #OF.
    OVERFLOW = 28, "overflow";
    /// #BR.
    BOUND_RANGE = 29, "bound range exceeded";
    /// #MF, #XM.
    FLOATING_POINT = 30, "floating-point error";
    /// #NM.
    DEVICE_NOT_AVAILABLE = 31, "floating-point unit not available";
    /// SYSCALL or `int 0x80`.
    SYSTEM_CALL = 33, "system call";
    /// #TS, #NP.
    SEGMENT = 34, "bad segment or task state";
    /// #CP.
    CONTROL_PROTECTION = 35, "control-flow protection";
    /// #VE, #HV, #VC, #SX.
    VIRTUALIZATION = 36, "virtualization";
    /// #DF.
    DOUBLE_FAULT = 40, "double fault";
    /// #MC.
    MACHINE_CHECK = 41, "machine check";
    /// An exception vector that the manuals reserve.
    RESERVED_EXCEPTION = 47, "reserved exception";
    /// Another CPU wants attention.
    IPI = EXTERNAL, "inter-processor interrupt";
    /// This CPU's timer.
    TIMER = EXTERNAL | 1, "timer";
    /// A device.
    DEVICE = EXTERNAL | 2, "external device";
    /// NMI.
    NON_MASKABLE = EXTERNAL | 3, "non-maskable interrupt";
    /// The interrupt controller withdrew the interrupt.
    SPURIOUS = EXTERNAL | 4, "spurious interrupt";
    /// The interrupt controller reports an error of its own.
    CONTROLLER_ERROR = EXTERNAL | 5, "interrupt controller error";
}

impl TrapNumber {
    /// The number as messages, logs and traces hold it.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Whether it stops a thread for whoever debugs it, and would pause it if nobody did.
    #[must_use]
    pub const fn is_breakpoint(self) -> bool {
        matches!(self, Self::BREAKPOINT | Self::DEBUG)
    }

    /// The number back from a message. Any value is allowed; [`Self::description`] tells the unknown.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Whether the cause lies outside the instruction stream.
    #[must_use]
    pub const fn is_external(self) -> bool {
        self.0 & EXTERNAL != 0
    }

    /// Whether the trap is about an address that was accessed: unaligned and invalid memory, page faults.
    #[must_use]
    pub const fn concerns_address(self) -> bool {
        matches!(self.0, 0..=2 | 8..=10 | 16..=18)
    }

    /// The number without its external bit.
    #[must_use]
    pub const fn cause(self) -> u64 {
        self.0 & !EXTERNAL
    }
}

impl fmt::Debug for TrapNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.is_external() { "external" } else { "internal" };
        write!(formatter, "{side} {} ({})", self.cause(), self.description())
    }
}

impl fmt::Display for TrapNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.description())
    }
}

#[cfg(test)]
mod tests {
    use super::TrapNumber;

    #[test]
    fn core_numbers_are_the_agreed_ones() {
        let agreed = [
            (TrapNumber::UNALIGNED_INSTRUCTION, 0),
            (TrapNumber::UNALIGNED_LOAD, 1),
            (TrapNumber::UNALIGNED_STORE, 2),
            (TrapNumber::INVALID_MEMORY_EXECUTION, 8),
            (TrapNumber::INVALID_MEMORY_LOAD, 9),
            (TrapNumber::INVALID_MEMORY_STORE, 10),
            (TrapNumber::EXECUTION_PAGE_FAULT, 16),
            (TrapNumber::LOAD_PAGE_FAULT, 17),
            (TrapNumber::STORE_PAGE_FAULT, 18),
            (TrapNumber::UNKNOWN_INSTRUCTION, 24),
            (TrapNumber::BREAKPOINT, 25),
            (TrapNumber::SYSTEM_CALL, 33),
            (TrapNumber::IPI, 0x8000_0000_0000_0000),
            (TrapNumber::TIMER, 0x8000_0000_0000_0001),
            (TrapNumber::DEVICE, 0x8000_0000_0000_0002),
        ];
        for (trap, bits) in agreed {
            assert_eq!(trap.to_bits(), bits, "{trap:?}");
            assert_eq!(TrapNumber::from_bits(bits), trap);
        }
    }

    #[test]
    fn numbers_and_names_are_distinct() {
        for (index, trap) in TrapNumber::ALL.iter().enumerate() {
            for other in &TrapNumber::ALL[index + 1..] {
                assert_ne!(trap.to_bits(), other.to_bits());
                assert_ne!(trap.description(), other.description());
            }
        }
        assert_eq!(TrapNumber::from_bits(12345).description(), "unnamed trap");
    }
}
