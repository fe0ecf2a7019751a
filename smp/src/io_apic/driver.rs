//! The driver of one I/O APIC.

use core::fmt;

use super::redirection::{Redirection, RedirectionError};

const VERSION: u8 = 0x01;
const FIRST_REDIRECTION: u8 = 0x10;
/// The redirection entries take two registers each; the last register is `0xff`.
const MOST_INPUTS: u32 = (0x100 - FIRST_REDIRECTION as u32) / 2;

/// How [`IoApic`] reaches its registers, which are selected by one and read or written by another.
/// [`Window`] is the real one; tests record instead.
pub trait WindowAccess {
    /// Reads a register.
    fn read(&mut self, register: u8) -> u32;
    /// Writes a register.
    fn write(&mut self, register: u8, value: u32);
}

/// The two memory-mapped registers of an I/O APIC.
#[derive(Debug)]
pub struct Window {
    select: *mut u32,
}

// SAFETY: the registers are the machine's, not a CPU's, and the window's owner is the only one that uses them.
unsafe impl Send for Window {}

impl Window {
    /// The data register follows the select register by 16 bytes.
    const DATA: usize = 0x10 / size_of::<u32>();

    /// The window at a virtual address.
    ///
    /// # Safety
    /// `base` is mapped, writable and uncached, to the physical address of an I/O APIC
    /// ([`ListedIoApic::address`](crate::madt::ListedIoApic::address)), for as long as the value lives, and
    /// nothing else uses that I/O APIC.
    #[must_use]
    pub const unsafe fn new(base: *mut u8) -> Self {
        Self { select: base.cast() }
    }
}

impl WindowAccess for Window {
    fn read(&mut self, register: u8) -> u32 {
        // SAFETY: `new` was promised both registers, aligned as device registers are; `&mut self` keeps
        // selecting and reading together.
        unsafe {
            self.select.write_volatile(u32::from(register));
            self.select.wrapping_add(Self::DATA).read_volatile()
        }
    }

    fn write(&mut self, register: u8, value: u32) {
        // SAFETY: as for `read`.
        unsafe {
            self.select.write_volatile(u32::from(register));
            self.select.wrapping_add(Self::DATA).write_volatile(value);
        }
    }
}

/// Why an interrupt was not routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// This I/O APIC has no input for the global system interrupt.
    NotHere {
        /// The interrupt.
        interrupt: u32,
        /// The first that has an input here.
        first: u32,
        /// The number of inputs.
        inputs: u32,
    },
    /// The redirection has no bits.
    Redirection(RedirectionError),
}

impl fmt::Display for RouteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHere { interrupt, first, inputs } => {
                let last = u64::from(*first) + u64::from(*inputs) - 1;
                write!(formatter, "interrupt {interrupt} is not of this I/O APIC, which has {first}..={last}")
            }
            Self::Redirection(error) => error.fmt(formatter),
        }
    }
}

impl core::error::Error for RouteError {}

/// One I/O APIC.
///
/// ```no_run
/// use smp::ApicId;
/// use smp::io_apic::{IoApic, Redirection, Window};
///
/// # let registers: *mut u8 = core::ptr::null_mut();
/// // SAFETY: `registers` is where the I/O APIC's page is mapped, uncached; nothing else uses it.
/// let mut io_apic = IoApic::new(unsafe { Window::new(registers) }, 0);
/// io_apic.route(11, &Redirection::pci(0x24, ApicId::new(1)))?;
/// io_apic.mask(11)?;
/// # Ok::<(), smp::io_apic::RouteError>(())
/// ```
#[derive(Debug)]
pub struct IoApic<W: WindowAccess = Window> {
    window: W,
    first_interrupt: u32,
    inputs: u32,
}

impl<W: WindowAccess> IoApic<W> {
    /// Takes an I/O APIC over: all its inputs are masked, whatever the firmware left. `first_interrupt` is the
    /// global system interrupt of its first input.
    #[must_use]
    pub fn new(mut window: W, first_interrupt: u32) -> Self {
        // Bits 23:16 hold the last entry's number.
        let inputs = ((window.read(VERSION) >> 16 & 0xff) + 1).min(MOST_INPUTS);
        let mut io_apic = Self { window, first_interrupt, inputs };
        for input in 0..inputs {
            let low = Self::low(input);
            io_apic.window.write(low, Redirection::MASKED_BITS as u32);
            io_apic.window.write(low + 1, 0);
        }
        io_apic
    }

    /// The number of inputs.
    #[must_use]
    pub const fn inputs(&self) -> u32 {
        self.inputs
    }

    /// Tells whether a global system interrupt has an input here.
    #[must_use]
    pub const fn has(&self, interrupt: u32) -> bool {
        self.input(interrupt).is_some()
    }

    /// Sets where a global system interrupt goes, in place of what was set before. An interrupt that comes
    /// meanwhile goes to the old place or to the new one, or waits if its line stays active.
    ///
    /// # Errors
    /// When the interrupt has no input here or the redirection cannot be expressed; nothing was written then.
    pub fn route(&mut self, interrupt: u32, redirection: &Redirection) -> Result<(), RouteError> {
        let not_here = RouteError::NotHere { interrupt, first: self.first_interrupt, inputs: self.inputs };
        let input = self.input(interrupt).ok_or(not_here)?;
        let bits = redirection.encode().map_err(RouteError::Redirection)?;
        self.write_entry(input, bits);
        Ok(())
    }

    /// Masks a global system interrupt, and leaves where it goes: the end of one that is under way must find its vector
    /// and trigger mode here. What was sent before has left the I/O APIC afterwards.
    ///
    /// # Errors
    /// When the interrupt has no input here.
    pub fn mask(&mut self, interrupt: u32) -> Result<(), RouteError> {
        let not_here = RouteError::NotHere { interrupt, first: self.first_interrupt, inputs: self.inputs };
        let low = Self::low(self.input(interrupt).ok_or(not_here)?);
        let bits = self.window.read(low);
        self.window.write(low, bits | Redirection::MASKED_BITS as u32);
        // The write is posted until something is read.
        let _masked = self.window.read(low);
        Ok(())
    }

    /// Whether a level interrupt has been accepted by a local APIC and not been ended there ("Remote IRR"). Its vector
    /// must not change meanwhile, since the end names the vector.
    ///
    /// # Errors
    /// When the interrupt has no input here.
    pub fn is_under_way(&mut self, interrupt: u32) -> Result<bool, RouteError> {
        let not_here = RouteError::NotHere { interrupt, first: self.first_interrupt, inputs: self.inputs };
        let low = Self::low(self.input(interrupt).ok_or(not_here)?);
        Ok(self.window.read(low) & Redirection::REMOTE_IRR != 0)
    }

    const fn input(&self, interrupt: u32) -> Option<u32> {
        match interrupt.checked_sub(self.first_interrupt) {
            Some(input) if input < self.inputs => Some(input),
            _ => None,
        }
    }

    /// The register of an input's lower half.
    const fn low(input: u32) -> u8 {
        // `inputs` is at most 120, so the number has 8 bits.
        FIRST_REDIRECTION + 2 * input as u8
    }

    /// Writes both halves whole. The entry is masked while they do not belong together, and keeps its trigger mode: QEMU's
    /// I/O APIC does not see a level that becomes active in an entry of an edge. Only what waits for the end of a level
    /// interrupt, which would never be found here, becomes one: that makes the I/O APIC forget it.
    fn write_entry(&mut self, input: u32, bits: u64) {
        let low = Self::low(input);
        let before = self.window.read(low) | Redirection::MASKED_BITS as u32;
        self.window.write(low, before);
        if self.window.read(low) & Redirection::REMOTE_IRR != 0 {
            self.window.write(low, Redirection::MASKED_BITS as u32);
        }
        self.window.write(low + 1, (bits >> 32) as u32);
        self.window.write(low, bits as u32);
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use percpu::ApicId;

    use super::*;

    /// Registers that the firmware has filled with ones.
    struct Fake {
        registers: [u32; 256],
        writes: Vec<(u8, u32)>,
    }

    impl Fake {
        fn with_inputs(inputs: u32) -> Self {
            let mut registers = [u32::MAX; 256];
            registers[usize::from(VERSION)] = (inputs - 1) << 16 | 0x20;
            Self { registers, writes: Vec::new() }
        }
    }

    impl WindowAccess for Fake {
        fn read(&mut self, register: u8) -> u32 {
            self.registers[usize::from(register)]
        }

        fn write(&mut self, register: u8, value: u32) {
            assert!(register >= FIRST_REDIRECTION, "register {register:#x} is not an entry");
            self.registers[usize::from(register)] = value;
            self.writes.push((register, value));
        }
    }

    #[test]
    fn every_input_starts_masked_and_nothing_of_the_firmware_stays() {
        let io_apic = IoApic::new(Fake::with_inputs(24), 0);
        assert_eq!(io_apic.inputs(), 24);
        for input in 0..24 {
            assert_eq!(io_apic.window.registers[0x10 + 2 * input..][..2], [0x1_0000, 0]);
        }
        assert_eq!(io_apic.window.registers[0x10 + 48], u32::MAX, "beyond the last input");
    }

    #[test]
    fn an_entry_is_written_whole_and_masked_meanwhile() {
        let mut io_apic = IoApic::new(Fake::with_inputs(24), 0);
        io_apic.window.writes.clear();
        io_apic.route(4, &Redirection::pci(0xff - 1, ApicId::new(0xfe))).unwrap();
        io_apic.route(4, &Redirection::pci(0x24, ApicId::new(1))).unwrap();
        let expected = [
            (0x18, 0x1_0000),
            (0x19, 0xfe00_0000),
            (0x18, 0xa0fe),
            (0x18, 0x1_a0fe),
            (0x19, 0x0100_0000),
            (0x18, 0xa024),
        ];
        assert_eq!(io_apic.window.writes, expected);
    }

    #[test]
    fn a_masked_entry_keeps_where_it_goes() {
        let mut io_apic = IoApic::new(Fake::with_inputs(24), 0);
        io_apic.route(4, &Redirection::pci(0x24, ApicId::new(1))).unwrap();
        io_apic.mask(4).unwrap();
        assert_eq!(io_apic.window.registers[0x18..0x1a], [0x1_a024, 0x0100_0000]);
        io_apic.mask(5).unwrap();
        assert_eq!(io_apic.window.registers[0x1a..0x1c], [0x1_0000, 0]);
    }

    #[test]
    fn an_interrupt_that_is_not_ended_is_under_way() {
        let mut io_apic = IoApic::new(Fake::with_inputs(8), 24);
        io_apic.route(26, &Redirection::pci(0x24, ApicId::new(1))).unwrap();
        assert_eq!(io_apic.is_under_way(26), Ok(false));
        io_apic.window.registers[0x14] |= 1 << 14;
        assert_eq!(io_apic.is_under_way(26), Ok(true));
        assert!(io_apic.is_under_way(2).is_err());
        io_apic.window.writes.clear();
        io_apic.route(26, &Redirection::pci(0x25, ApicId::new(1))).unwrap();
        let forgotten = [(0x14, 0x1_e024), (0x14, 0x1_0000), (0x15, 0x0100_0000), (0x14, 0xa025)];
        assert_eq!(io_apic.window.writes, forgotten);
    }

    #[test]
    fn interrupts_of_other_io_apics_are_refused() {
        let mut io_apic = IoApic::new(Fake::with_inputs(8), 24);
        assert!(io_apic.has(24) && io_apic.has(31));
        assert!(!io_apic.has(23) && !io_apic.has(32));
        let refused = io_apic.route(32, &Redirection::pci(0x24, ApicId::new(1))).unwrap_err();
        assert_eq!(refused.to_string(), "interrupt 32 is not of this I/O APIC, which has 24..=31");
        assert!(io_apic.mask(0).is_err());
    }

    #[test]
    fn a_redirection_without_bits_writes_nothing() {
        let mut io_apic = IoApic::new(Fake::with_inputs(24), 0);
        io_apic.window.writes.clear();
        let id = ApicId::new(300);
        let refused = io_apic.route(4, &Redirection::pci(0x24, id));
        assert_eq!(refused, Err(RouteError::Redirection(RedirectionError::IdTooLarge(id))));
        assert!(io_apic.window.writes.is_empty());
    }

    #[test]
    fn an_absurd_number_of_inputs_stays_within_the_registers() {
        let io_apic = IoApic::new(Fake::with_inputs(256), 0);
        assert_eq!(io_apic.inputs(), 120);
        assert_eq!(io_apic.window.registers[0xfe..], [0x1_0000, 0]);
    }
}
