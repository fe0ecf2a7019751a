//! Memory that the device and its driver share.

use core::ptr::NonNull;

use gatehouse_core::memory::layout::{DIRECT_MAP_BASE, DIRECT_MAP_SIZE};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use crate::memory::direct_map;
use crate::memory::frame;
use crate::memory::kernel_space::map_mmio;

/// The kernel's memory as `virtio-drivers` asks for it. All that is shared lies in the direct map, so that its physical address is
/// known; there is no IOMMU between.
#[derive(Debug)]
pub struct DeviceMemory;

// SAFETY: `dma_alloc` answers frames of zeros that were never anybody's and are nobody else's, by their address in the
// direct map; `mmio_phys_to_virt` a mapping of its own that stays for ever.
unsafe impl Hal for DeviceMemory {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let range = frame::allocate_together(pages as u64)
            .unwrap_or_else(|error| panic!("cannot start: {pages} pages for the swap disk's queue: {error}"));
        let Some(address) = NonNull::new(direct_map::pointer(range.start)) else { unreachable!("the map is not at 0") };
        (range.start, address)
    }

    unsafe fn dma_dealloc(_physical: PhysAddr, _address: NonNull<u8>, _pages: usize) -> i32 {
        // The driver lives as long as the kernel; only a device that is refused at the start gives pages back, and they stay
        // out of use.
        0
    }

    unsafe fn mmio_phys_to_virt(physical: PhysAddr, size: usize) -> NonNull<u8> {
        let address = map_mmio(x86_64::PhysAddr::new(physical), size as u64)
            .unwrap_or_else(|error| panic!("cannot start: the swap disk's registers at {physical:#x}: {error}"));
        let Some(address) = NonNull::new(address.as_mut_ptr()) else { unreachable!("nothing is mapped at 0") };
        address
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        let address = buffer.cast::<u8>().as_ptr().expose_provenance() as u64;
        let physical = address.wrapping_sub(DIRECT_MAP_BASE);
        assert!(physical < DIRECT_MAP_SIZE, "{address:#x} is not in the direct map");
        physical
    }

    unsafe fn unshare(_physical: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
