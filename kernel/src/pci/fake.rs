//! Configuration space of a made-up bus, for tests.

use std::collections::BTreeMap;

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};

/// What a register holds, and which of its bits can be written.
type Register = (u32, u32);

/// Functions with their registers; others are not there.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    functions: BTreeMap<DeviceFunction, BTreeMap<u8, Register>>,
    /// What was written, in order.
    pub writes: Vec<(DeviceFunction, u8, u32)>,
}

impl Fake {
    /// A bus with one function.
    pub fn function(function: DeviceFunction) -> Self {
        let mut fake = Self::default();
        fake.add(function, 0xff00_0000, 0);
        fake
    }

    /// Adds a function with what is in the registers of its class and of its header's type.
    pub fn add(&mut self, function: DeviceFunction, class: u32, header: u32) {
        self.functions.insert(function, BTreeMap::new());
        self.set(function, 0x00, 0x11e8_1234, 0);
        self.set(function, 0x08, class, 0);
        self.set(function, 0x0c, header, 0);
    }

    /// Says what a register holds, and which of its bits can be written.
    pub fn set(&mut self, function: DeviceFunction, register: u8, held: u32, writable: u32) {
        self.functions.get_mut(&function).unwrap().insert(register, (held, writable));
    }

    /// What all registers hold.
    pub fn clone_registers(&self) -> BTreeMap<DeviceFunction, BTreeMap<u8, Register>> {
        self.functions.clone()
    }
}

impl ConfigurationAccess for Fake {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        let Some(registers) = self.functions.get(&function) else { return u32::MAX };
        registers.get(&register).map_or(0, |(held, _)| *held)
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, data: u32) {
        self.writes.push((function, register, data));
        if let Some((held, writable)) = self.functions.get_mut(&function).and_then(|all| all.get_mut(&register)) {
            *held = *held & !*writable | data & *writable;
        }
    }

    unsafe fn unsafe_clone(&self) -> Self {
        unreachable!("one bus, one user")
    }
}
