//! What the PVH loader says.
//!
//! Layouts: the Xen header `arch-x86/hvm/start_info.h`. Everything lies in RAM that the memory map calls
//! usable, so it is copied before any frame is used.

use gatehouse_abi::BootProtocol;
use gatehouse_core::command_line::{CommandLine, CommandLineError};
use gatehouse_core::memory::{MemoryKind, MemoryMap, PhysicalRange};
use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::memory::boot_info::{BootError, BootInfo, ImagePlacement};

/// `hvm_start_info`.
#[derive(Clone, Copy, Debug, FromBytes)]
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

/// `hvm_modlist_entry`.
#[derive(Clone, Copy, Debug, FromBytes)]
#[repr(C)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

/// `hvm_memmap_table_entry`.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct MemoryMapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

const _: () = assert!(size_of::<StartInfo>() == 56);
const _: () = assert!(size_of::<Module>() == 32 && size_of::<MemoryMapEntry>() == 24);

/// What [`StartInfo::magic`] holds.
const MAGIC: u32 = 0x336e_c578;

/// The first version with a memory map.
const VERSION_WITH_MEMORY_MAP: u32 = 1;

/// Physical memory that can be read while the boot tables are in force.
trait PhysicalMemory {
    /// The `length` bytes at `address`; `None` when not all of them are within reach.
    fn bytes(&self, address: u64, length: usize) -> Option<&[u8]>;
}

fn read<T: FromBytes>(memory: &impl PhysicalMemory, what: &'static str, address: u64) -> Result<T, BootError> {
    let bytes = memory.bytes(address, size_of::<T>()).ok_or(BootError::OutOfReach(what, address))?;
    T::read_from_bytes(bytes).map_err(|_| BootError::OutOfReach(what, address))
}

/// The bytes of the command line at `address`, without the zero at its end.
fn command_line(memory: &impl PhysicalMemory, address: u64) -> Result<CommandLine, BootError> {
    if address == 0 {
        return Ok(CommandLine::default());
    }
    for length in 0..=CommandLine::MAXIMUM_LENGTH {
        let bytes =
            memory.bytes(address, length.saturating_add(1)).ok_or(BootError::OutOfReach("command line", address))?;
        if bytes[length] == 0 {
            return Ok(CommandLine::from_bytes(&bytes[..length])?);
        }
    }
    Err(CommandLineError::TooLong.into())
}

fn memory_kind(number: u32) -> MemoryKind {
    // `XEN_HVM_MEMMAP_TYPE_*`, the same numbers as ACPI's address range types.
    match number {
        1 => MemoryKind::Usable,
        3 => MemoryKind::AcpiTables,
        4 => MemoryKind::AcpiNonVolatile,
        5 => MemoryKind::Defective,
        _ => MemoryKind::Reserved,
    }
}

/// Reads everything behind the start information at `address`.
fn read_boot_info(memory: &impl PhysicalMemory, address: u64, image: ImagePlacement) -> Result<BootInfo, BootError> {
    let start: StartInfo = read(memory, "start information", address)?;
    if start.magic != MAGIC {
        return Err(BootError::BadMagic(start.magic));
    }
    if start.version < VERSION_WITH_MEMORY_MAP {
        return Err(BootError::OldVersion(start.version));
    }
    let map_length = (start.memory_map_entries as usize).checked_mul(size_of::<MemoryMapEntry>());
    let map_bytes = map_length
        .and_then(|length| memory.bytes(start.memory_map, length))
        .ok_or(BootError::OutOfReach("memory map", start.memory_map))?;
    let entries = map_bytes.chunks_exact(size_of::<MemoryMapEntry>()).filter_map(|bytes| {
        let entry = MemoryMapEntry::read_from_bytes(bytes).ok()?;
        Some((entry.address, entry.size, memory_kind(entry.kind)))
    });
    let archive = match start.module_count {
        0 => None,
        1 => {
            let module: Module = read(memory, "module list", start.modules)?;
            let range = PhysicalRange::from_length(module.address, module.size)
                .ok_or(BootError::BadArchive(module.address, module.size))?;
            (!range.is_empty()).then_some(range)
        }
        count => return Err(BootError::TooManyModules(count.into())),
    };
    let map = MemoryMap::from_entries(entries)?;
    let overwritten = archive.and_then(|archive| {
        let kept = map.regions().iter().filter(|region| region.kind != MemoryKind::Usable);
        kept.map(|region| region.range.intersection(&archive)).find(|range| !range.is_empty())
    });
    BootInfo {
        protocol: BootProtocol::Pvh,
        memory: map,
        image,
        command_line: command_line(memory, start.command_line)?,
        rsdp: start.rsdp,
        archive,
        overwritten,
    }
    .finish()
}

#[cfg(target_os = "none")]
pub(super) use on_the_machine::pvh_start;

#[cfg(target_os = "none")]
mod on_the_machine {
    use core::slice;

    use gatehouse_core::memory::layout::{BOOT_DIRECT_MAP_SIZE, DIRECT_MAP_BASE, IMAGE_VIRTUAL_BASE};

    use super::{BootInfo, ImagePlacement, PhysicalMemory, PhysicalRange, read_boot_info};
    use crate::memory::boot_info::ImageSegments;

    /// The direct map of the boot tables.
    struct BootDirectMap;

    impl PhysicalMemory for BootDirectMap {
        fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
            let range = PhysicalRange::from_length(address, length as u64)?;
            if range.end > BOOT_DIRECT_MAP_SIZE || range.start == 0 {
                return None;
            }
            let pointer = DIRECT_MAP_BASE.checked_add(address)? as *const u8;
            // SAFETY: the boot tables map physical 0 to 4 GiB at DIRECT_MAP_BASE, and the range lies below. Only this
            // CPU runs and it writes no physical memory outside the image, where no loader puts its data.
            Some(unsafe { slice::from_raw_parts(pointer, length) })
        }
    }

    /// First Rust function after the PVH entry. `start_info` is the physical address of the start information.
    pub(in crate::boot) extern "C" fn pvh_start(start_info: u64) -> ! {
        // SAFETY: the first CPU, before anything else.
        unsafe { percpu::use_early_block() };
        let segments = ImageSegments::of_this_image();
        let start = segments.start().wrapping_sub(IMAGE_VIRTUAL_BASE);
        let image = ImagePlacement {
            physical: PhysicalRange { start, end: start.wrapping_add(segments.length()) },
            virtual_offset: IMAGE_VIRTUAL_BASE,
            segments,
        };
        let boot: BootInfo = match read_boot_info(&BootDirectMap, start_info, image) {
            Ok(boot) => boot,
            Err(error) => panic!("cannot start: {error}"),
        };
        crate::kernel_main(boot)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use gatehouse_core::command_line::CommandLineError;
    use proptest::prelude::*;

    use crate::memory::boot_info::{ImageSegment, ImageSegments};

    use super::{BootError, ImagePlacement, MAGIC, MemoryKind, PhysicalMemory, PhysicalRange, read_boot_info};

    struct Fake(Vec<u8>);

    impl PhysicalMemory for Fake {
        fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
            let start = usize::try_from(address).ok()?;
            self.0.get(start..start.checked_add(length)?)
        }
    }

    const IMAGE: ImagePlacement = ImagePlacement {
        physical: PhysicalRange { start: 0x20_0000, end: 0x30_0000 },
        virtual_offset: 0xffff_ffff_8000_0000,
        segments: ImageSegments { text: NOWHERE, rodata: NOWHERE, data: NOWHERE },
    };
    const NOWHERE: ImageSegment = ImageSegment { start: 0, end: 0 };

    impl Fake {
        fn put(&mut self, address: usize, words: &[u64]) {
            for (index, word) in words.iter().enumerate() {
                self.0[address + index * 8..][..8].copy_from_slice(&word.to_le_bytes());
            }
        }

        /// What QEMU hands over with 512 MiB and a module.
        fn machine() -> Self {
            let mut memory = Self(std::vec![0; 0x4000]);
            memory.put(0x2000, &[u64::from(MAGIC) | 1 << 32, 1 << 32, 0x2100, 0x2200, 0xf_5b00, 0x500, 3]);
            memory.put(0x2100, &[0x1f00_0010, 0x1234, 0, 0]);
            memory.0[0x2200..0x220a].copy_from_slice(b"init=demo\0");
            memory.put(0x500, &[0, 0x9_fc00, 1, 0x9_fc00, 0x400, 2, 0x10_0000, 0x1fee_0000, 1]);
            memory
        }
    }

    #[test]
    fn everything_is_copied_and_set_apart() {
        let boot = read_boot_info(&Fake::machine(), 0x2000, IMAGE).unwrap();
        assert_eq!(boot.rsdp, 0xf_5b00);
        assert_eq!(boot.command_line.value("init"), Some("demo"));
        assert_eq!(boot.archive, Some(PhysicalRange { start: 0x1f00_0010, end: 0x1f00_1244 }));
        assert_eq!(
            boot.memory.regions_of(MemoryKind::Archive).collect::<Vec<_>>(),
            [PhysicalRange { start: 0x1f00_0000, end: 0x1f00_2000 }]
        );
        assert_eq!(boot.memory.regions_of(MemoryKind::Image).collect::<Vec<_>>(), [IMAGE.physical]);
        assert_eq!(
            boot.memory.regions_of(MemoryKind::Usable).collect::<Vec<_>>(),
            [
                PhysicalRange { start: 0x1_0000, end: 0x9_f000 },
                PhysicalRange { start: 0x10_0000, end: 0x20_0000 },
                PhysicalRange { start: 0x30_0000, end: 0x1f00_0000 },
                PhysicalRange { start: 0x1f00_2000, end: 0x1ffe_0000 },
            ]
        );
    }

    /// As QEMU does with the machine microvm and SeaBIOS, whose tables lie in the last page of memory.
    #[test]
    fn an_archive_over_memory_that_is_kept_is_noticed() {
        let mut memory = Fake::machine();
        assert_eq!(read_boot_info(&memory, 0x2000, IMAGE).unwrap().overwritten, None);
        memory.put(0x2030, &[4]);
        memory.put(0x548, &[0x1f00_1000, 0x1000, 2]);
        let boot = read_boot_info(&memory, 0x2000, IMAGE).unwrap();
        assert_eq!(boot.overwritten, Some(PhysicalRange { start: 0x1f00_1000, end: 0x1f00_1244 }));
    }

    #[test]
    fn each_fault_is_named() {
        let fault = |change: &dyn Fn(&mut Fake)| {
            let mut memory = Fake::machine();
            change(&mut memory);
            read_boot_info(&memory, 0x2000, IMAGE).unwrap_err()
        };
        assert_eq!(fault(&|memory| memory.0[0x2000] = 0), BootError::BadMagic(0x336e_c500));
        assert_eq!(fault(&|memory| memory.0[0x2004] = 0), BootError::OldVersion(0));
        assert_eq!(fault(&|memory| memory.0[0x200c] = 2), BootError::TooManyModules(2));
        assert_eq!(fault(&|memory| memory.put(0x2020, &[0])), BootError::NoRsdp);
        assert_eq!(fault(&|memory| memory.put(0x2018, &[0x9999])), BootError::OutOfReach("command line", 0x9999));
        assert_eq!(fault(&|memory| memory.put(0x2028, &[1 << 40])), BootError::OutOfReach("memory map", 1 << 40));
        assert_eq!(fault(&|memory| memory.put(0x2108, &[u64::MAX])), BootError::BadArchive(0x1f00_0010, u64::MAX));
        assert_eq!(fault(&|memory| memory.put(0x2030, &[0])), BootError::NoMemory);
        assert_eq!(
            fault(&|memory| memory.0[0x2200..0x3000].fill(b'x')),
            BootError::CommandLine(CommandLineError::TooLong)
        );
    }

    proptest! {
        #[test]
        fn random_memory_never_panics(words in prop::collection::vec(any::<u64>(), 8), at in 0_u64..0x4000) {
            let mut memory = Fake::machine();
            memory.put(0x2008, &words[..6]);
            let _ = read_boot_info(&memory, 0x2000, IMAGE);
            let _ = read_boot_info(&memory, at, IMAGE);
        }
    }
}
