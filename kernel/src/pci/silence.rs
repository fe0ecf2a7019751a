//! What the firmware left running is stopped before the kernel uses any memory.

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};

use super::claims::with_ports;
use super::function::{Kind, has_more_functions, kind, stop_messages, stop_writing};

/// Devices of a bus, and functions of a device.
const DEVICES: u8 = 32;
const FUNCTIONS: u8 = 8;

/// What was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silenced {
    /// Devices that could write to memory.
    pub writing: u32,
    /// Devices that had messages to send interrupts by.
    pub messages: u32,
}

/// Keeps all devices of the machine from writing to memory and from sending messages, whatever the firmware had them do. Those that
/// are driven later are allowed to again. To be called once, before any memory is handed out.
pub fn silence_devices() -> Silenced {
    with_ports(silence)
}

fn silence(configuration: &mut impl ConfigurationAccess) -> Silenced {
    let mut silenced = Silenced::default();
    for bus in 0..=u8::MAX {
        let mut is_empty = true;
        for device in 0..DEVICES {
            for function in 0..FUNCTIONS {
                let function = DeviceFunction { bus, device, function };
                let kind = kind(configuration, function);
                if kind == Kind::Device {
                    let messages = stop_messages(configuration, function);
                    silenced.messages = silenced.messages.saturating_add(messages.into());
                    let writing = stop_writing(configuration, function);
                    silenced.writing = silenced.writing.saturating_add(writing.into());
                }
                is_empty &= kind == Kind::Missing;
                // Every device has a function 0, which says whether there are others.
                let is_alone =
                    function.function == 0 && (kind == Kind::Missing || !has_more_functions(configuration, function));
                if is_alone {
                    break;
                }
            }
        }
        // Without a host bridge on the first bus there is no PCI.
        if bus == 0 && is_empty {
            break;
        }
    }
    silenced
}

#[cfg(test)]
mod tests {
    use virtio_drivers::transport::pci::bus::DeviceFunction;

    use super::super::fake::Fake;
    use super::{ConfigurationAccess, Silenced, silence};

    #[test]
    fn every_device_is_silenced_and_no_bridge() {
        let at = |bus, device, function| DeviceFunction { bus, device, function };
        let mut fake = Fake::default();
        let bridges = [at(0, 0, 0), at(0, 2, 0)];
        let devices = [at(0, 31, 0), at(0, 31, 3), at(5, 0, 0), at(0x80, 1, 0)];
        for bridge in bridges {
            fake.add(bridge, 0x0604_0000, 0);
        }
        for device in devices {
            fake.add(device, 0x0106_0000, if device.device == 31 { 0x0080_0000 } else { 0 });
        }
        for function in bridges.into_iter().chain(devices) {
            fake.set(function, 0x04, 0x0010_0007, 0xffff);
            fake.set(function, 0x34, 0x40, 0);
            fake.set(function, 0x40, 0x0081_0005, 0xffff_0000);
        }
        assert_eq!(silence(&mut fake), Silenced { writing: 4, messages: 4 });
        for (functions, command, messages) in [(&bridges[..], 7, 0x0081_0005), (&devices[..], 3, 0x0080_0005)] {
            for function in functions {
                assert_eq!(fake.read_word(*function, 4) & 0xffff, command, "{function}");
                assert_eq!(fake.read_word(*function, 0x40), messages, "{function}");
            }
        }
        assert_eq!(silence(&mut fake), Silenced::default());
    }

    #[test]
    fn a_machine_without_pci_is_not_searched() {
        assert_eq!(silence(&mut Fake::default()), Silenced::default());
    }
}
