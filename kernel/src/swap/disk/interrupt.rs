//! The device's interrupt: a message (MSI-X) to the first CPU.
//!
//! PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structure"; the message's form is Intel SDM volume 3, "Message
//! Signalled Interrupts".

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction, PCI_CAP_ID_VNDR, PciRoot};
use x86_64::PhysAddr;

use crate::arch::x86_64::vectors;
use crate::cpu;
use crate::memory::kernel_space::map_mmio;
use crate::pci::Ports;

/// The vector of the interrupt.
pub const VECTOR: u8 = vectors::SWAP_DISK;

/// The capability that describes the message table.
const MESSAGES: u8 = 0x11;
/// In its first word: the device may send messages.
const ENABLE: u32 = 1 << 31;
/// In its first word: it may send none of them.
const MASK_ALL: u32 = 1 << 30;
/// Where the local APICs take messages.
const APIC_MESSAGES: u32 = 0xfee0_0000;

/// Of a virtio capability: the type of structure that it points to.
const COMMON_CONFIGURATION: u16 = 1;
/// In the common configuration: which queue the fields behind are about (`queue_select`).
const QUEUE_SELECT: usize = 0x16;
/// In the common configuration: which message tells of that queue (`queue_msix_vector`).
const QUEUE_MESSAGE: usize = 0x1a;

/// Makes the device send a message to the first CPU when the first queue has news; `false` if it cannot, or the CPU's id is too
/// large for a message. The queue is set up already.
pub fn enable<C: ConfigurationAccess>(root: &mut PciRoot<C>, function: DeviceFunction) -> bool {
    let Some(first) = cpu::all().first().and_then(|block| u8::try_from(block.apic_id().get()).ok()) else {
        return false;
    };
    // SAFETY: ring 0; whoever has the root is the only one that uses the ports, and it is not used while this writes.
    let mut configuration = unsafe { Ports::new() };
    let mut messages = None;
    let mut common = None;
    for capability in root.capabilities(function) {
        match capability.id {
            MESSAGES => messages = Some(capability.offset),
            // The type of the structure is the capability's fourth byte.
            PCI_CAP_ID_VNDR if capability.private_header >> 8 == COMMON_CONFIGURATION && common.is_none() => {
                common = Some(capability.offset);
            }
            _ => {}
        }
    }
    let (Some(messages), Some(common)) = (messages, common) else { return false };
    let place = configuration.read_word(function, messages + 4);
    let Some(table) = map_bar(root, function, (place & 7) as u8, place & !7, 16) else { return false };
    let bar = configuration.read_word(function, common + 4) as u8;
    let offset = configuration.read_word(function, common + 8);
    let Some(common) = map_bar(root, function, bar, offset, QUEUE_MESSAGE as u32 + 2) else { return false };
    let control = configuration.read_word(function, messages);
    configuration.write_word(function, messages, control | ENABLE | MASK_ALL);
    // SAFETY: the first entry of the message table, 16 bytes: address, upper address, data, and a word whose bit 0 masks.
    unsafe {
        let entry = table.cast::<u32>();
        entry.write_volatile(APIC_MESSAGES | u32::from(first) << 12);
        entry.add(1).write_volatile(0);
        entry.add(2).write_volatile(u32::from(VECTOR));
        entry.add(3).write_volatile(0);
    }
    configuration.write_word(function, messages, (control | ENABLE) & !MASK_ALL);
    // SAFETY: two fields of the common configuration, which this CPU alone uses; the device answers 0xffff if it has no room.
    let taken = unsafe {
        common.add(QUEUE_SELECT).cast::<u16>().write_volatile(0);
        common.add(QUEUE_MESSAGE).cast::<u16>().write_volatile(0);
        common.add(QUEUE_MESSAGE).cast::<u16>().read_volatile()
    };
    taken == 0
}

/// Maps `length` bytes at an offset into a memory region of the device.
fn map_bar<C: ConfigurationAccess>(
    root: &mut PciRoot<C>,
    function: DeviceFunction,
    bar: u8,
    offset: u32,
    length: u32,
) -> Option<*mut u8> {
    let (address, size) = root.bar_info(function, bar).ok().flatten()?.memory_address_size()?;
    let end = u64::from(offset) + u64::from(length);
    if address == 0 || end > size {
        return None;
    }
    map_mmio(PhysAddr::new(address + u64::from(offset)), u64::from(length)).ok().map(|address| address.as_mut_ptr())
}
