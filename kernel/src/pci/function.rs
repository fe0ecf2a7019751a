//! What a function says of itself, and how it is kept from doing anything.
//!
//! Source: PCI Local Bus Specification 3.0, "Configuration Space Organization", and its appendix D, "Class Codes".

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};

use super::protection::COMMAND;
use super::{msi, msi_x};

/// Vendor and device.
const IDENTITY: u8 = 0x00;
/// The identity that is read where nothing answers.
const NOTHING: u32 = u32::MAX;
/// Class and subclass, in the upper half.
const CLASS: u8 = 0x08;
/// In byte 2: the header's type, and whether the device has more functions.
const HEADER: u8 = 0x0c;
/// In bits 16 to 31 of the command register's word: there is a list of capabilities.
const HAS_CAPABILITIES: u32 = 1 << 20;
/// Where that list begins.
const CAPABILITIES: u8 = 0x34;
/// Capabilities lie behind the header and have at least 4 bytes, so more than this means a list that runs in a circle.
const MOST_CAPABILITIES: usize = (256 - 64) / 4;
/// In the command register: the function may write to memory and read it.
pub const BUS_MASTER: u32 = 1 << 2;

const BRIDGE: u8 = 0x06;
const SYSTEM_PERIPHERAL: u8 = 0x08;
const INTERRUPT_CONTROLLER: u8 = 0x00;
const ADDRESS_TRANSLATION: u8 = 0x06;

/// What a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing answers.
    Missing,
    /// Part of the machine: what leads to other devices, to memory or to interrupts. Its registers say where those are.
    Machine,
    /// A device.
    Device,
}

/// What is at an address.
pub fn kind(configuration: &impl ConfigurationAccess, function: DeviceFunction) -> Kind {
    if configuration.read_word(function, IDENTITY) == NOTHING {
        return Kind::Missing;
    }
    let class = configuration.read_word(function, CLASS);
    let has_bridge_header = configuration.read_word(function, HEADER) >> 16 & 0x7f != 0;
    let is_machine = match ((class >> 24) as u8, (class >> 16) as u8) {
        (BRIDGE, _) | (SYSTEM_PERIPHERAL, INTERRUPT_CONTROLLER | ADDRESS_TRANSLATION) => true,
        _ => has_bridge_header,
    };
    if is_machine { Kind::Machine } else { Kind::Device }
}

/// Whether the device of a function that is there may have other functions than 0.
pub fn has_more_functions(configuration: &impl ConfigurationAccess, function: DeviceFunction) -> bool {
    configuration.read_word(function, HEADER) >> 16 & 0x80 != 0
}

/// Where a function's capabilities of messages are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// That of MSI.
    pub msi: Option<u8>,
    /// That of MSI-X.
    pub msi_x: Option<u8>,
}

impl Capabilities {
    /// Goes through a function's list, which may lead anywhere.
    pub fn read(configuration: &impl ConfigurationAccess, function: DeviceFunction) -> Self {
        let mut found = Self::default();
        if configuration.read_word(function, COMMAND) & HAS_CAPABILITIES == 0 {
            return found;
        }
        let mut offset = configuration.read_word(function, CAPABILITIES) as u8 & !3;
        for _ in 0..MOST_CAPABILITIES {
            if offset < 0x40 {
                break;
            }
            let head = configuration.read_word(function, offset);
            let bytes = match head as u8 {
                msi::CAPABILITY => msi::BYTES,
                msi_x::CAPABILITY => msi_x::BYTES,
                _ => 0,
            };
            // The bytes of one that begins too late for its length are not there.
            if u16::from(offset).saturating_add(bytes) <= 256 {
                match head as u8 {
                    msi::CAPABILITY => found.msi = found.msi.or(Some(offset)),
                    msi_x::CAPABILITY => found.msi_x = found.msi_x.or(Some(offset)),
                    _ => {}
                }
            }
            offset = (head >> 8) as u8 & !3;
        }
        found
    }
}

/// Keeps a function from writing to memory, messages included. What it has written before is there afterwards: the answer to a
/// read does not overtake it (PCI Local Bus Specification 3.0, "Transaction Ordering"). Answers whether it could write.
pub fn stop_writing(configuration: &mut impl ConfigurationAccess, function: DeviceFunction) -> bool {
    let command = configuration.read_word(function, COMMAND);
    // The upper half is status, where ones clear.
    configuration.write_word(function, COMMAND, command & 0xffff & !BUS_MASTER);
    let _settled = configuration.read_word(function, COMMAND);
    command & BUS_MASTER != 0
}

/// Turns a function's messages off. Answers whether they were on.
pub fn stop_messages(configuration: &mut impl ConfigurationAccess, function: DeviceFunction) -> bool {
    let Capabilities { msi, msi_x } = Capabilities::read(configuration, function);
    let msi = msi.is_some_and(|offset| turn_off(configuration, function, offset, msi::ENABLE));
    let msi_x = msi_x.is_some_and(|offset| turn_off(configuration, function, offset, msi_x::ENABLE));
    msi || msi_x
}

fn turn_off(configuration: &mut impl ConfigurationAccess, function: DeviceFunction, offset: u8, enable: u32) -> bool {
    let control = configuration.read_word(function, offset);
    if control & enable != 0 {
        configuration.write_word(function, offset, control & !enable);
    }
    control & enable != 0
}

#[cfg(test)]
mod tests {
    use virtio_drivers::transport::pci::bus::DeviceFunction;

    use super::super::fake::Fake;
    use super::{Capabilities, ConfigurationAccess, Kind, kind, stop_messages, stop_writing};

    const FUNCTION: DeviceFunction = DeviceFunction { bus: 0, device: 3, function: 0 };

    #[test]
    fn what_leads_to_others_is_the_machines() {
        let of = |class, header| {
            let mut fake = Fake::default();
            fake.add(FUNCTION, class, header);
            kind(&fake, FUNCTION)
        };
        assert_eq!(of(0x00ff_0010, 0), Kind::Device);
        assert_eq!(of(0x0108_0200, 0x0080_0000), Kind::Device, "one of several functions");
        for class in [0x0600_0000, 0x0601_0002, 0x0604_0000, 0x0680_0000, 0x0800_2000, 0x0806_0000] {
            assert_eq!(of(class, 0), Kind::Machine, "class {class:#x}");
        }
        assert_eq!(of(0x0805_0100, 0), Kind::Device, "an SD controller");
        assert_eq!(of(0x00ff_0000, 0x0001_0000), Kind::Machine, "a bridge that says otherwise");
        let other = DeviceFunction { device: 4, ..FUNCTION };
        assert_eq!(kind(&Fake::function(FUNCTION), other), Kind::Missing);
    }

    fn with_list(list: &[(u8, u32)]) -> Fake {
        let mut fake = Fake::function(FUNCTION);
        fake.set(FUNCTION, 0x04, 0x0010_0007, 0xffff);
        fake.set(FUNCTION, 0x34, list[0].0.into(), 0);
        for (offset, head) in list {
            fake.set(FUNCTION, *offset, *head, 0xffff_0000);
        }
        fake
    }

    #[test]
    fn capabilities_are_found_and_no_list_goes_on_for_ever() {
        let fake = with_list(&[(0x40, 0x5001), (0x50, 0x0081_6005), (0x60, 0x8003_0011)]);
        assert_eq!(Capabilities::read(&fake, FUNCTION), Capabilities { msi: Some(0x50), msi_x: Some(0x60) });
        let circle = with_list(&[(0x40, 0x5001), (0x50, 0x4005)]);
        assert_eq!(Capabilities::read(&circle, FUNCTION), Capabilities { msi: Some(0x50), msi_x: None });
        let too_late = with_list(&[(0x40, 0xfc01), (0xfc, 0x0005)]);
        assert_eq!(Capabilities::read(&too_late, FUNCTION), Capabilities::default());
        let mut without = with_list(&[(0x40, 0x0005)]);
        without.set(FUNCTION, 0x04, 0x0000_0007, 0xffff);
        assert_eq!(Capabilities::read(&without, FUNCTION), Capabilities::default());
    }

    #[test]
    fn what_was_left_on_is_turned_off_and_nothing_else() {
        let mut fake = with_list(&[(0x40, 0x0081_5005), (0x50, 0x8003_0011)]);
        assert!(stop_writing(&mut fake, FUNCTION));
        assert!(stop_messages(&mut fake, FUNCTION));
        assert_eq!(fake.read_word(FUNCTION, 4), 0x0010_0003);
        assert_eq!(fake.read_word(FUNCTION, 0x40), 0x0080_5005);
        assert_eq!(fake.read_word(FUNCTION, 0x50), 0x0003_0011);
        assert!(!stop_writing(&mut fake, FUNCTION) && !stop_messages(&mut fake, FUNCTION), "once is enough");
        assert!(
            fake.writes.iter().all(|(_, _, value)| value & 0xf900_0000 == 0),
            "no status bit is cleared: {fake:x?}"
        );
    }
}
