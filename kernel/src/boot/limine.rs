//! The Limine entry point, for BIOS and UEFI firmware.
//!
//! Limine enters at e_entry in 64-bit mode. Its answers, its stack, its descriptor table and its page tables lie in memory
//! that is [`MemoryKind::Loader`]: this code copies what it needs and leaves the rest behind, except for the page tables
//! that map the image, which stay in use until [`initialize`](crate::memory::initialize).
//!
//! Source: "The Limine Boot Protocol", base revision 2, the highest that Limine 8.2 speaks.

use core::arch::global_asm;

use gatehouse_abi::BootProtocol;
use gatehouse_core::command_line::CommandLine;
use gatehouse_core::memory::{MemoryKind, MemoryMap, PhysicalRange};
use limine::BaseRevision;
use limine::firmware_type::FirmwareType;
use limine::memory_map::EntryType;
use limine::request::{
    ExecutableAddressRequest, ExecutableFileRequest, FirmwareTypeRequest, HhdmRequest, MemoryMapRequest, ModuleRequest,
    RequestsEndMarker, RequestsStartMarker, RsdpRequest,
};

use super::entry_state::{BOOT_CODE_SELECTOR, BOOT_DATA_SELECTOR, use_boot_tables};
use crate::memory::boot_info::ImageSegments;
use crate::memory::boot_info::{BootError, BootInfo, ImagePlacement};

// Limine looks for the requests in the loaded image and writes a pointer to its answer into each. The linker script
// keeps the three sections, in this order.
#[used]
#[unsafe(link_section = ".limine_requests_start")]
static START: RequestsStartMarker = RequestsStartMarker::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static BASE_REVISION: BaseRevision = BaseRevision::with_revision(2);
#[used]
#[unsafe(link_section = ".limine_requests")]
static MEMORY_MAP: MemoryMapRequest = MemoryMapRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static DIRECT_MAP: HhdmRequest = HhdmRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static RSDP: RsdpRequest = RsdpRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static IMAGE_ADDRESS: ExecutableAddressRequest = ExecutableAddressRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static IMAGE_FILE: ExecutableFileRequest = ExecutableFileRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static MODULES: ModuleRequest = ModuleRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests")]
static FIRMWARE: FirmwareTypeRequest = FirmwareTypeRequest::new();
#[used]
#[unsafe(link_section = ".limine_requests_end")]
static END: RequestsEndMarker = RequestsEndMarker::new();

/// CR0: monitor coprocessor, native x87 errors. Limine leaves both clear.
const CR0_SET: u64 = 1 << 1 | 1 << 5;
/// CR0: emulation, task switched.
const CR0_CLEAR: u64 = 1 << 2 | 1 << 3;
/// CR4: FXSAVE and SSE, SSE exceptions. Every 64-bit processor has them; Limine leaves both clear.
const CR4_SET: u64 = 1 << 9 | 1 << 10;

global_asm!(
    ".pushsection .text.boot, \"ax\"",
    // Hardware state: 64-bit mode, Limine's page tables with the image at its link address, Limine's descriptor table and
    // stack, interrupts off.
    // In: nothing. Lost: everything. Limine's stack is left for the image's.
    // May interrupt: NMI and machine check only, and both would reset the machine: no IDT yet.
    ".global limine_entry",
    "limine_entry:",
    "    cli",
    "    cld",
    "    lea rsp, [rip + boot_stack_top]",
    "    lgdt [rip + boot_gdt_pointer]",
    "    push {code}",                  // CS
    "    lea rax, [rip + 2f]",
    "    push rax",                     // RIP
    "    retfq",                        // the stack is empty again
    "2:  mov eax, {data}",
    "    mov ds, eax",
    "    mov es, eax",
    "    mov ss, eax",
    "    xor eax, eax",
    "    mov fs, eax",
    "    mov gs, eax",
    "    mov rax, cr0",
    "    or rax, {cr0_set}",
    "    and rax, {cr0_keep}",
    "    mov cr0, rax",
    "    mov rax, cr4",
    "    or rax, {cr4_set}",
    "    mov cr4, rax",
    "    xor ebp, ebp",                 // backtraces end here
    "    call {start}",                 // pushes 8 bytes: the alignment that the ABI wants at an entry
    "    ud2",
    ".popsection",
    code = const BOOT_CODE_SELECTOR,
    data = const BOOT_DATA_SELECTOR,
    cr0_set = const CR0_SET,
    cr0_keep = const !CR0_CLEAR as i64,
    cr4_set = const CR4_SET,
    start = sym limine_start,
);

const fn memory_kind(kind: EntryType) -> MemoryKind {
    match kind {
        EntryType::USABLE => MemoryKind::Usable,
        EntryType::ACPI_RECLAIMABLE => MemoryKind::AcpiTables,
        EntryType::ACPI_NVS => MemoryKind::AcpiNonVolatile,
        EntryType::BAD_MEMORY => MemoryKind::Defective,
        EntryType::BOOTLOADER_RECLAIMABLE => MemoryKind::Loader,
        // The image and the archive are marked by their own addresses; with them lies the image's file, not used again.
        _ => MemoryKind::Reserved,
    }
}

/// Copies Limine's answers. Answers with the boot's information the offset of Limine's own direct map.
fn read_boot_info() -> Result<(BootInfo, u64), BootError> {
    if !BASE_REVISION.is_supported() {
        return Err(BootError::NoAnswer("base revision 2"));
    }
    let direct_map = DIRECT_MAP.get_response().ok_or(BootError::NoAnswer("higher-half direct map"))?.offset();
    let address = IMAGE_ADDRESS.get_response().ok_or(BootError::NoAnswer("executable address"))?;
    let entries = MEMORY_MAP.get_response().ok_or(BootError::NoAnswer("memory map"))?.entries();
    let firmware = FIRMWARE.get_response().ok_or(BootError::NoAnswer("firmware type"))?.firmware_type();
    let file = IMAGE_FILE.get_response().ok_or(BootError::NoAnswer("executable file"))?.file();
    let rsdp = RSDP.get_response().map_or(0, |answer| (answer.address() as u64).wrapping_sub(direct_map));
    let archive = match MODULES.get_response().map_or(&[][..], |answer| answer.modules()) {
        [] => None,
        [module] => {
            let start = (module.addr() as u64).wrapping_sub(direct_map);
            let bad = BootError::BadArchive(start, module.size());
            let range = PhysicalRange::from_length(start, module.size()).ok_or(bad)?;
            (!range.is_empty()).then_some(range)
        }
        modules => return Err(BootError::TooManyModules(modules.len() as u64)),
    };
    let segments = ImageSegments::of_this_image();
    let start = address.physical_base();
    let boot = BootInfo {
        protocol: if firmware == FirmwareType::X86_BIOS { BootProtocol::Bios } else { BootProtocol::Uefi },
        memory: MemoryMap::from_entries(
            entries.iter().map(|entry| (entry.base, entry.length, memory_kind(entry.entry_type))),
        )?,
        image: ImagePlacement {
            physical: PhysicalRange { start, end: start.wrapping_add(segments.length()) },
            virtual_offset: segments.start().wrapping_sub(start),
            segments,
        },
        command_line: CommandLine::from_bytes(file.string().to_bytes())?,
        rsdp,
        archive,
        // Limine's map calls modules a kind of their own.
        overwritten: None,
    };
    Ok((boot.finish()?, direct_map))
}

/// First Rust function after the Limine entry.
extern "C" fn limine_start() -> ! {
    // SAFETY: the first CPU, before anything else.
    unsafe { percpu::use_early_block() };
    let (boot, direct_map) = match read_boot_info() {
        Ok(read) => read,
        Err(error) => panic!("cannot start: {error}"),
    };
    // SAFETY: Limine's tables are in force; `direct_map` is where it shows physical memory, and the image lies where
    // Limine says. Nothing that it left is read after this.
    unsafe { use_boot_tables(&boot.image, direct_map) };
    crate::kernel_main(boot)
}
