//! The firmware's tables: which CPUs there are, where the power-management timer is, and which ports programs do not get.

use core::convert::Infallible;

use gatehouse_core::firmware::{FixedTable, Name, PhysicalMemory, Tables};
use percpu::ApicId;
use smp::madt::{MadtError, Topology};
use x86_64::PhysAddr;

use crate::arch::keep_ports;
use crate::console;
use crate::memory::kernel_space::map_firmware;

/// What the processor can address.
struct Physical {
    /// One behind the highest address: a page table entry with a higher one would fault.
    end: u64,
}

impl Physical {
    fn detect() -> Self {
        let bits = raw_cpuid::CpuId::new().get_processor_capacity_feature_info();
        Self { end: 1 << bits.map_or(36, |info| info.physical_address_bits().clamp(32, 52)) }
    }
}

impl PhysicalMemory for Physical {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let length = buffer.len() as u64;
        if length == 0 || address == 0 || address.checked_add(length).is_none_or(|end| end > self.end) {
            return false;
        }
        let Ok(mapping) = map_firmware(PhysAddr::new(address), length) else { return false };
        // SAFETY: the mapping holds that many bytes, readable, and is not yet dropped; the buffer is not part of it.
        unsafe { core::ptr::copy_nonoverlapping(mapping.address().as_ptr::<u8>(), buffer.as_mut_ptr(), buffer.len()) };
        true
    }
}

/// What the tables tell.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) topology: Topology,
    /// The power-management timer's port; 0 if there is none.
    pub(super) power_management_timer: u16,
}

/// Reads the tables behind the root pointer, and tells what is odd about them. `boot` is the CPU that runs this.
///
/// # Panics
/// When a table that is needed is missing or cannot be used: names it.
pub(super) fn read(root_pointer: u64, boot: ApicId) -> Machine {
    assert!(root_pointer != 0, "cannot start: the boot loader passed no ACPI root pointer");
    let memory = Physical::detect();
    let tell = |oddity| console::line(format_args!("ACPI: {oddity}"));
    let tables = Tables::behind(&memory, root_pointer, tell)
        .unwrap_or_else(|error| panic!("cannot start: the firmware's tables cannot be used: {error}"));
    let tell_refusal = |address, error: MadtError| console::line(format_args!("ACPI: at {address:#x}: {error}"));
    let topology = tables
        .find(Name::MADT, |bytes| Topology::from_bytes(bytes, boot), tell, tell_refusal)
        .unwrap_or_else(|error| panic!("cannot start: no CPU is known: {error}"));
    let fixed = |bytes: &[u8]| {
        let table = FixedTable::new(bytes);
        Ok::<_, Infallible>((table.timer_port(), table.ports()))
    };
    let power_management_timer = match tables.find(Name::FADT, fixed, tell, |_, never| match never {}) {
        Ok((timer, ports)) => {
            ports.into_iter().for_each(|(range, what)| keep_ports(range, what));
            timer.unwrap_or(0)
        }
        Err(error) => {
            console::line(format_args!("ACPI: {error}: no power-management timer is known"));
            0
        }
    };
    Machine { topology, power_management_timer }
}
