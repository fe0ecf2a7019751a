//! Where a function answers accesses: its base address registers.
//!
//! How large a region is, only writing to its register tells, and meanwhile the function answers nowhere. So this is done once
//! for each owner, before anybody uses the function, and remembered. `PciRoot::bar_info` of `virtio-drivers` is not used: it does
//! not know the upper halves of registers of 64 bits, and leaves a register that it takes for impossible with all ones.
//!
//! Source: PCI Local Bus Specification 3.0, "Base Addresses".

use core::ops::Range;

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};
use x86_64::PhysAddr;

use super::protection::COMMAND;

/// Regions that a function may have.
pub const COUNT: usize = 6;
/// The first register.
const FIRST: u8 = 0x10;
/// In the command register: the function answers accesses to ports, and to memory.
const ANSWERS: u32 = 0b11;
/// In a register: the region is one of ports.
const IS_PORTS: u32 = 1;
/// In a register of memory: how wide it is.
const WIDTH: u32 = 0b110;
const WIDTH_64: u32 = 0b100;
const WIDTH_RESERVED: u32 = 0b110;
/// There are no ports above.
const PORTS_END: u64 = 0x1_0000;

/// What is at one of the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Region {
    /// Nothing, or the upper half of the one before.
    None,
    /// Memory: the first byte, and how many.
    Memory(u64, u64),
    /// Ports: the first, and how many.
    Ports(u64, u64),
}

/// A function's regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regions([Region; COUNT]);

impl Regions {
    /// Asks a function of the ordinary form (header type 0), which nobody uses. All registers are afterwards what they were.
    pub fn measure(configuration: &mut impl ConfigurationAccess, function: DeviceFunction) -> Self {
        // The upper half is status, where ones clear.
        let command = configuration.read_word(function, COMMAND) & 0xffff;
        configuration.write_word(function, COMMAND, command & !ANSWERS);
        let mut regions = [Region::None; COUNT];
        let mut indices = 0..COUNT;
        while let Some(index) = indices.next() {
            let (low, low_mask) = probe(configuration, function, index);
            let is_wide = low & (IS_PORTS | WIDTH) == WIDTH_64;
            if is_wide && let Some(upper) = indices.clone().next() {
                let (high, high_mask) = probe(configuration, function, upper);
                let join = |low: u32, high: u32| u64::from(low & !0xf) | u64::from(high) << 32;
                regions[index] = memory(join(low, high), join(low_mask, high_mask));
                indices.next();
            } else if low & IS_PORTS != 0 {
                regions[index] = ports(low, low_mask);
            } else if !is_wide && low & WIDTH != WIDTH_RESERVED && low_mask != 0 {
                let mask = u64::from(low_mask & !0xf) | !0xffff_ffff;
                regions[index] = memory(u64::from(low & !0xf), mask);
            }
        }
        configuration.write_word(function, COMMAND, command);
        Self(regions)
    }

    /// A region of memory: where it starts, and how many bytes it has. `None` if there is none with that number, or the firmware
    /// has given it no place.
    #[must_use]
    pub fn memory(&self, number: u64) -> Option<(u64, u64)> {
        match self.0.get(usize::try_from(number).ok()?)? {
            Region::Memory(start, size) if *start != 0 => Some((*start, *size)),
            _ => None,
        }
    }

    /// The address of `length` bytes at an offset into a region of memory; `None` if there are not so many.
    #[must_use]
    pub fn part(&self, number: u64, offset: u64, length: u64) -> Option<PhysAddr> {
        let (start, size) = self.memory(number)?;
        offset.checked_add(length).filter(|end| *end <= size)?;
        PhysAddr::try_new(start.checked_add(offset)?).ok()
    }

    /// The ranges of ports.
    pub fn port_ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.into_iter().filter_map(|region| match region {
            Region::Ports(start, count) if start != 0 => Some(start..start.saturating_add(count)),
            _ => None,
        })
    }
}

/// What a register holds, and which of its bits can be ones.
fn probe(configuration: &mut impl ConfigurationAccess, function: DeviceFunction, index: usize) -> (u32, u32) {
    let register = FIRST.saturating_add((index as u8).saturating_mul(4));
    let held = configuration.read_word(function, register);
    configuration.write_word(function, register, u32::MAX);
    let mask = configuration.read_word(function, register);
    configuration.write_word(function, register, held);
    (held, mask)
}

/// A size is a power of two and the start a multiple of it; whatever says otherwise is no region.
fn memory(start: u64, mask: u64) -> Region {
    let size = mask.wrapping_neg();
    let is_sound = size.is_power_of_two() && start.is_multiple_of(size) && start.checked_add(size).is_some();
    if is_sound { Region::Memory(start, size) } else { Region::None }
}

fn ports(held: u32, mask: u32) -> Region {
    let start = u64::from(held & !0b11);
    // Functions of PCs need not decode the upper half.
    let size = u64::from((mask & 0xfffc).wrapping_neg() & 0xffff);
    let is_sound = size.is_power_of_two() && start.is_multiple_of(size) && start.saturating_add(size) <= PORTS_END;
    if is_sound { Region::Ports(start, size) } else { Region::None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use virtio_drivers::transport::pci::bus::DeviceFunction;
    use x86_64::PhysAddr;

    use super::super::fake::Fake;
    use super::{ConfigurationAccess, Regions};

    const FUNCTION: DeviceFunction = DeviceFunction { bus: 0, device: 3, function: 0 };

    /// A function whose registers hold these values, and in which these bits can be written.
    fn fake(registers: [(u32, u32); 6]) -> Fake {
        let mut fake = Fake::function(FUNCTION);
        fake.set(FUNCTION, 0x04, 0x0010_0007, 0x0000_ffff);
        for (index, (held, writable)) in registers.into_iter().enumerate() {
            fake.set(FUNCTION, 0x10 + 4 * index as u8, held, writable);
        }
        fake
    }

    #[test]
    fn each_kind_is_told_apart() {
        let mut fake = fake([
            (0xfeb0_0004, 0xffff_c000),
            (0x0000_0002, 0xffff_ffff),
            (0x0000_c101, 0x0000_ff00),
            (0xfec8_0008, 0xfff8_0000),
            (0, 0),
            (0xfea0_0000, 0xffff_f000),
        ]);
        let before = fake.clone_registers();
        let regions = Regions::measure(&mut fake, FUNCTION);
        assert_eq!(regions.memory(0), Some((0x2_feb0_0000, 0x4000)));
        assert_eq!(regions.memory(1), None, "the upper half");
        assert_eq!(regions.memory(2), None, "ports");
        assert_eq!(regions.memory(3), Some((0xfec8_0000, 0x8_0000)));
        assert_eq!(regions.memory(4), None, "not there");
        assert_eq!(regions.memory(5), Some((0xfea0_0000, 0x1000)));
        assert_eq!(regions.memory(6), None);
        assert_eq!(regions.memory(u64::MAX), None);
        assert_eq!(regions.port_ranges().map(|ports| (ports.start, ports.end)).collect::<Vec<_>>(), [(0xc100, 0xc200)]);
        assert_eq!(fake.clone_registers(), before, "all is as it was");
    }

    #[test]
    fn a_part_lies_in_its_region_as_a_whole() {
        let mut registers = [(0, 0); 6];
        registers[0] = (0xfeb0_0000, 0xffff_f000);
        let regions = Regions::measure(&mut fake(registers), FUNCTION);
        let part = |offset, length| regions.part(0, offset, length).map(PhysAddr::as_u64);
        assert_eq!(part(0, 0x1000), Some(0xfeb0_0000));
        assert_eq!(part(0xff0, 16), Some(0xfeb0_0ff0));
        assert_eq!(part(0xfff, 1), Some(0xfeb0_0fff));
        for (offset, length) in
            [(0, 0x1001), (0xff1, 16), (0x1000, 1), (u64::MAX, 1), (u64::MAX - 15, 16), (16, u64::MAX)]
        {
            assert_eq!(part(offset, length), None, "{offset:#x} {length:#x}");
        }
        assert_eq!(regions.part(1, 0, 1), None);
        assert_eq!(regions.part(u64::MAX, 0, 1), None);
    }

    /// The upper half of a region between 16 and 20 GiB looks like the lower half of another one; in the last register there is
    /// room for none.
    #[test]
    fn an_upper_half_that_looks_like_a_lower_one_is_left_as_it_is() {
        let mut registers = [(0, 0); 6];
        registers[4] = (0x0000_000c, 0xffff_0000);
        registers[5] = (0x0000_0004, 0xffff_ffff);
        let mut fake = fake(registers);
        let before = fake.clone_registers();
        let regions = Regions::measure(&mut fake, FUNCTION);
        assert_eq!(regions.memory(4), Some((0x4_0000_0000, 0x1_0000)));
        assert_eq!(regions.memory(5), None);
        assert_eq!(fake.clone_registers(), before);
    }

    #[test]
    fn a_wide_register_without_an_upper_half_is_no_region() {
        let mut registers = [(0, 0); 6];
        registers[5] = (0xfea0_0004, 0xffff_f000);
        let mut fake = fake(registers);
        let before = fake.clone_registers();
        assert_eq!(Regions::measure(&mut fake, FUNCTION).memory(5), None);
        assert_eq!(fake.clone_registers(), before);
    }

    proptest! {
        #[test]
        fn whatever_the_registers_say_they_are_left_as_they_were(registers in any::<[(u32, u32); 6]>()) {
            let mut fake = fake(registers);
            let before = fake.clone_registers();
            let regions = Regions::measure(&mut fake, FUNCTION);
            prop_assert_eq!(fake.clone_registers(), before);
            for number in 0..6 {
                if let Some((start, size)) = regions.memory(number) {
                    prop_assert!(size.is_power_of_two() && start.checked_add(size).is_some());
                }
            }
            for ports in regions.port_ranges() {
                prop_assert!(ports.start < ports.end && ports.end <= 0x1_0000);
            }
            prop_assert!(fake.read_word(FUNCTION, 4) & 7 == 7);
        }
    }
}
