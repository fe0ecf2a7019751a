//! Messages by the capability MSI-X: a table in the function's memory, an address and a value for each message.
//!
//! Source: PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structure".

use core::ops::Range;

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};

/// Its number in the list of capabilities.
pub const CAPABILITY: u8 = 0x11;
/// Bytes of the capability.
pub const BYTES: u16 = 12;
/// Bytes of an entry of the table.
pub const ENTRY_BYTES: u64 = 16;

/// In the first word: the function sends messages by the table.
pub const ENABLE: u32 = 1 << 31;
/// In the first word: it sends none of them.
const MASK_ALL: u32 = 1 << 30;
/// In an entry's last word: this message is not sent, but kept until it may be.
const MASKED: u32 = 1;

/// Where a function's table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The region of the function's memory, 0 to 5.
    pub region: u8,
    /// Bytes into it.
    pub offset: u64,
    /// Messages, 1 to 2048.
    pub count: u64,
}

impl Table {
    /// Its bytes, in the region.
    #[must_use]
    pub const fn bytes(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.count.saturating_mul(ENTRY_BYTES))
    }

    /// Where the entry of a message is; `None` if there is no such message.
    #[must_use]
    pub fn entry(&self, number: u64) -> Option<u64> {
        number.checked_mul(ENTRY_BYTES).filter(|_| number < self.count)?.checked_add(self.offset)
    }
}

/// Reads where the table of the capability at an offset is, which has [`BYTES`] bytes from there.
pub fn table(configuration: &impl ConfigurationAccess, function: DeviceFunction, offset: u8) -> Table {
    let control = configuration.read_word(function, offset);
    let place = configuration.read_word(function, offset.saturating_add(4));
    let count = u64::from(control >> 16 & 0x7ff).saturating_add(1);
    Table { region: (place & 7) as u8, offset: u64::from(place & !7), count }
}

/// Lets the function send messages by the table.
pub fn enable(configuration: &mut impl ConfigurationAccess, function: DeviceFunction, offset: u8) {
    let control = configuration.read_word(function, offset);
    configuration.write_word(function, offset, (control | ENABLE) & !MASK_ALL);
}

/// Writes an entry: its message goes to an address, with a value. What the function wants to send meanwhile goes afterwards.
///
/// # Safety
/// The pointer leads to the mapped registers of an entry, which nobody else uses meanwhile.
pub unsafe fn open(entry: *mut u32, address: u32, value: u32) {
    // SAFETY: the four words of the entry, by the contract.
    unsafe {
        mask(entry);
        entry.write_volatile(address);
        entry.add(1).write_volatile(0);
        entry.add(2).write_volatile(value);
        entry.add(3).write_volatile(0);
    }
}

/// Masks an entry. What the function sent before has arrived afterwards: the answer to a read does not overtake it.
///
/// # Safety
/// As for [`open`].
pub unsafe fn mask(entry: *mut u32) {
    // SAFETY: the last word of the entry, by the contract.
    unsafe {
        entry.add(3).write_volatile(MASKED);
        let _masked = entry.add(3).read_volatile();
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn there_are_as_many_entries_as_the_table_says() {
        let table = Table { region: 2, offset: 0xffff_fff8, count: 2048 };
        assert_eq!(table.bytes(), 0xffff_fff8..0x1_0000_7ff8);
        assert_eq!(table.entry(0), Some(0xffff_fff8));
        assert_eq!(table.entry(2047), Some(0x1_0000_7fe8));
        // A number that comes round to an entry when it is multiplied is none.
        for number in [2048, 1 << 60, (1 << 60) + 1, u64::MAX] {
            assert_eq!(table.entry(number), None, "{number:#x}");
        }
    }

    #[test]
    fn an_entry_is_masked_while_it_changes() {
        let mut entry = [u32::MAX; 4];
        // SAFETY: four words.
        unsafe { super::open(entry.as_mut_ptr(), 0xfee0_2000, 0x42) };
        assert_eq!(entry, [0xfee0_2000, 0, 0x42, 0]);
        // SAFETY: as above.
        unsafe { super::mask(entry.as_mut_ptr()) };
        assert_eq!(entry, [0xfee0_2000, 0, 0x42, 1]);
    }
}
