//! Messages by the capability MSI: one address and one value for the function.
//!
//! Source: PCI Local Bus Specification 3.0, "MSI Capability Structure". Only the first message is used.

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};

/// Its number in the list of capabilities.
pub const CAPABILITY: u8 = 0x05;
/// Bytes of the longest form.
pub const BYTES: u16 = 24;

/// In the first word: the function sends messages, and no longer raises its line.
pub const ENABLE: u32 = 1 << 16;
/// In the first word: how many messages it may use, as a power of two.
const COUNT: u32 = 0b111 << 20;
/// In the first word: addresses have 64 bits.
const WIDE: u32 = 1 << 23;
/// In the first word: each message has a mask bit.
const HAS_MASK: u32 = 1 << 24;

/// A function's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msi {
    function: DeviceFunction,
    offset: u8,
    is_wide: bool,
    has_mask: bool,
}

impl Msi {
    /// The capability at an offset in a function's configuration space.
    pub fn read(configuration: &impl ConfigurationAccess, function: DeviceFunction, offset: u8) -> Self {
        let control = configuration.read_word(function, offset);
        Self { function, offset, is_wide: control & WIDE != 0, has_mask: control & HAS_MASK != 0 }
    }

    /// Sends messages to an address, with a value. While it is being changed, and where messages have no mask while they are
    /// masked, what the function wants to send is lost.
    pub fn open(&self, configuration: &mut impl ConfigurationAccess, address: u32, value: u32) {
        self.mask(configuration);
        let mut write = |offset, word| configuration.write_word(self.function, self.register(offset), word);
        write(4, address);
        if self.is_wide {
            write(8, 0);
            write(12, value);
        } else {
            write(8, value);
        }
        if self.has_mask {
            configuration.write_word(self.function, self.mask_register(), 0);
        }
        self.set_control(configuration, ENABLE);
    }

    /// Sends nothing. What it sent before has arrived afterwards: the answer to a read does not overtake it.
    pub fn mask(&self, configuration: &mut impl ConfigurationAccess) {
        if self.has_mask {
            configuration.write_word(self.function, self.mask_register(), u32::MAX);
            let _masked = configuration.read_word(self.function, self.mask_register());
        } else {
            self.set_control(configuration, 0);
        }
    }

    /// Forgets all about messages.
    pub fn close(&self, configuration: &mut impl ConfigurationAccess) {
        self.mask(configuration);
        self.set_control(configuration, 0);
    }

    fn set_control(&self, configuration: &mut impl ConfigurationAccess, enable: u32) {
        let control = configuration.read_word(self.function, self.offset);
        configuration.write_word(self.function, self.offset, control & !(COUNT | ENABLE) | enable);
        let _written = configuration.read_word(self.function, self.offset);
    }

    const fn mask_register(&self) -> u8 {
        self.register(if self.is_wide { 16 } else { 12 })
    }

    /// A register of the capability, which has [`BYTES`] bytes in configuration space.
    const fn register(&self, offset: u8) -> u8 {
        self.offset.saturating_add(offset)
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::{COUNT, ENABLE, HAS_MASK, Msi, WIDE};
    use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};

    const FUNCTION: DeviceFunction = DeviceFunction { bus: 0, device: 3, function: 0 };

    /// Configuration space of one function, with what was written.
    struct Fake {
        words: [u32; 64],
        writes: Vec<(u8, u32)>,
        /// Whether something was read since the last write: only then what was written has arrived.
        settled: Cell<bool>,
    }

    impl ConfigurationAccess for Fake {
        fn read_word(&self, _: DeviceFunction, register: u8) -> u32 {
            self.settled.set(true);
            self.words[usize::from(register) / 4]
        }

        fn write_word(&mut self, _: DeviceFunction, register: u8, data: u32) {
            self.words[usize::from(register) / 4] = data;
            self.writes.push((register, data));
            self.settled.set(false);
        }

        unsafe fn unsafe_clone(&self) -> Self {
            unreachable!("one function, one user")
        }
    }

    fn fake(control: u32) -> Fake {
        let mut words = [u32::MAX; 64];
        words[0x50 / 4] = control;
        Fake { words, writes: Vec::new(), settled: Cell::new(true) }
    }

    #[test]
    fn without_a_mask_it_is_turned_off_while_it_changes() {
        let mut space = fake(WIDE | COUNT | 0x05);
        let messages = Msi::read(&space, FUNCTION, 0x50);
        messages.open(&mut space, 0xfee0_1000, 0x31);
        let off = WIDE | 0x05;
        let expected = [(0x50, off), (0x54, 0xfee0_1000), (0x58, 0), (0x5c, 0x31), (0x50, off | ENABLE)];
        assert_eq!(space.writes, expected);
        messages.mask(&mut space);
        assert_eq!(space.words[0x50 / 4], off);
        assert!(space.settled.get(), "a message may still be on its way");
    }

    #[test]
    fn with_a_mask_it_stays_on() {
        for (control, mask) in [(HAS_MASK, 0x5c_u8), (HAS_MASK | WIDE, 0x60)] {
            let mut space = fake(control);
            let messages = Msi::read(&space, FUNCTION, 0x50);
            messages.open(&mut space, 0xfee0_1000, 0x31);
            assert_eq!(space.words[usize::from(mask) / 4], 0, "open");
            messages.mask(&mut space);
            assert_eq!(space.words[usize::from(mask) / 4], u32::MAX, "masked");
            assert!(space.settled.get(), "a message may still be on its way");
            assert_eq!(space.words[0x50 / 4] & ENABLE, ENABLE);
            messages.close(&mut space);
            assert_eq!(space.words[0x50 / 4] & ENABLE, 0);
            assert!(space.settled.get(), "a message may still be on its way");
        }
    }
}
