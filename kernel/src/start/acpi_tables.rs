//! The firmware's tables: which CPUs there are, and where the power-management timer is.

use core::ptr::NonNull;

use acpi::fadt::Fadt;
use acpi::madt::Madt;
use acpi::{AcpiHandler, AcpiTables, PhysicalMapping};
use percpu::ApicId;
use smp::madt::Topology;
use x86_64::PhysAddr;

use crate::memory::kernel_space::map_firmware;

/// Maps tables where the `acpi` crate asks for them.
#[derive(Clone, Copy, Debug)]
struct Mapper;

impl AcpiHandler for Mapper {
    unsafe fn map_physical_region<T>(&self, physical: usize, size: usize) -> PhysicalMapping<Self, T> {
        let mapping = map_firmware(PhysAddr::new(physical as u64), size as u64)
            .unwrap_or_else(|error| panic!("the ACPI table at {physical:#x} cannot be mapped: {error}"));
        let start = NonNull::new(mapping.address().as_mut_ptr()).expect("nothing is mapped at 0");
        let length = mapping.length() as usize;
        // Tables are few and small, and read at the start only: their mappings stay.
        mapping.leak();
        // SAFETY: the mapping holds `size` bytes from `physical`, readable, for ever.
        unsafe { PhysicalMapping::new(physical, start, size, length.max(size), *self) }
    }

    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}
}

/// What the tables tell.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) topology: Topology,
    /// The power-management timer's port; 0 if there is none.
    pub(super) power_management_timer: u16,
}

/// Reads the tables behind the root pointer. `boot` is the CPU that runs this.
///
/// # Panics
/// When a table that is needed is missing or broken: names it.
pub(super) fn read(root_pointer: u64, boot: ApicId) -> Machine {
    assert!(root_pointer != 0, "cannot start: the boot loader passed no ACPI root pointer");
    // SAFETY: the boot loader says that the root pointer is there.
    let tables = unsafe { AcpiTables::from_rsdp(Mapper, root_pointer as usize) }
        .unwrap_or_else(|error| panic!("cannot start: the ACPI root pointer at {root_pointer:#x} is bad: {error:?}"));
    let madt = tables
        .find_table::<Madt>()
        .unwrap_or_else(|error| panic!("cannot start: no MADT, so no CPU is known: {error:?}"));
    let topology = Topology::from_mapping(&madt, boot).unwrap_or_else(|error| panic!("cannot start: MADT: {error}"));
    let power_management_timer = tables
        .find_table::<Fadt>()
        .ok()
        .and_then(|fadt| fadt.pm_timer_block().ok().flatten())
        .filter(|block| block.address_space == acpi::address::AddressSpace::SystemIo)
        .and_then(|block| u16::try_from(block.address).ok())
        .unwrap_or(0);
    Machine { topology, power_management_timer }
}
