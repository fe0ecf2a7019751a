//! The device's interrupt: a message (MSI-X) to the first CPU.
//!
//! Virtual I/O Device (VIRTIO) Version 1.2, "Common configuration structure layout".

use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction, PCI_CAP_ID_VNDR, PciRoot};

use crate::arch::KernelInterrupt;
use crate::cpu;
use crate::memory::kernel_space::map_mmio;
use crate::pci::{Ports, Regions, address_and_value, msi_x};

/// The vector of the interrupt.
pub const VECTOR: u8 = KernelInterrupt::SwapDisk.number();

/// Of a virtio capability: the type of structure that it points to.
const COMMON_CONFIGURATION: u16 = 1;
/// Bytes of the longer one of the two structures that are looked for; of configuration space, and the most structures in it.
const COMMON_BYTES: usize = 16;
const CONFIGURATION_BYTES: usize = 256;
const MOST_CAPABILITIES: usize = 48;
/// In the common configuration: which queue the fields behind are about (`queue_select`).
const QUEUE_SELECT: usize = 0x16;
/// In the common configuration: which message tells of that queue (`queue_msix_vector`).
const QUEUE_MESSAGE: usize = 0x1a;

/// Makes the device send a message to the first CPU when the first queue has news; `false` if it cannot, or the CPU's id is too
/// large for a message. The queue is set up already.
pub fn enable<C: ConfigurationAccess>(root: &mut PciRoot<C>, function: DeviceFunction, regions: &Regions) -> bool {
    let message = cpu::all().first().and_then(|block| address_and_value(VECTOR, block.apic_id()));
    let Some((address, value)) = message else { return false };
    // SAFETY: ring 0; whoever has the root is the only one that uses the ports, and it is not used while this writes.
    let mut configuration = unsafe { Ports::new() };
    let mut messages = None;
    let mut common = None;
    // A list may lead round in a circle, and to where a structure has not all its bytes.
    for capability in root.capabilities(function).take(MOST_CAPABILITIES) {
        if usize::from(capability.offset) > const { CONFIGURATION_BYTES - COMMON_BYTES } {
            continue;
        }
        match capability.id {
            msi_x::CAPABILITY => messages = Some(capability.offset),
            // The type of the structure is the capability's fourth byte.
            PCI_CAP_ID_VNDR if capability.private_header >> 8 == COMMON_CONFIGURATION && common.is_none() => {
                common = Some(capability.offset);
            }
            _ => {}
        }
    }
    let (Some(messages), Some(common)) = (messages, common) else { return false };
    let table = msi_x::table(&configuration, function, messages);
    let Some(table) = map_region(regions, table.region, table.offset, msi_x::ENTRY_BYTES) else { return false };
    let bar = configuration.read_word(function, common.saturating_add(4)) as u8;
    let offset = u64::from(configuration.read_word(function, common.saturating_add(8)));
    let Some(common) = map_region(regions, bar, offset, const { QUEUE_MESSAGE as u64 + 2 }) else { return false };
    let entry = table.cast::<u32>();
    // SAFETY: the registers of the first entry, just mapped, and nobody else's.
    unsafe { msi_x::mask(entry) };
    msi_x::enable(&mut configuration, function, messages);
    // SAFETY: as above.
    unsafe { msi_x::open(entry, address, value) };
    // SAFETY: two fields of the common configuration, which this CPU alone uses; the device answers 0xffff if it has no room.
    let taken = unsafe {
        common.add(QUEUE_SELECT).cast::<u16>().write_volatile(0);
        common.add(QUEUE_MESSAGE).cast::<u16>().write_volatile(0);
        common.add(QUEUE_MESSAGE).cast::<u16>().read_volatile()
    };
    taken == 0
}

/// Maps `length` bytes at an offset into a memory region of the device.
fn map_region(regions: &Regions, region: u8, offset: u64, length: u64) -> Option<*mut u8> {
    map_mmio(regions.part(region.into(), offset, length)?, length).ok().map(|address| address.as_mut_ptr())
}
