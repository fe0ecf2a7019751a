//! Facts about the machine and its CPUs that programs may ask for.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// [`crate::SystemCall::Information`]: a [`SystemInformation`]; the index is ignored.
pub const INFORMATION_SYSTEM: u64 = 0;
/// [`crate::SystemCall::Information`]: the [`CpuInformation`] of the CPU with the index given.
pub const INFORMATION_CPU: u64 = 1;
/// [`crate::SystemCall::Information`]: the name of the index-th file of the boot archive, UTF-8.
pub const INFORMATION_PROGRAM_NAME: u64 = 2;
/// [`crate::SystemCall::Information`]: the kernel's command line, UTF-8; the index is ignored.
pub const INFORMATION_COMMAND_LINE: u64 = 3;

/// [`crate::SystemCall::Information`]: a [`SwapInformation`]; the index is ignored.
pub const INFORMATION_SWAP: u64 = 4;

/// The way by which the kernel was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum BootProtocol {
    /// PVH: the machine entered the kernel directly.
    Pvh = 0,
    /// Limine, on BIOS firmware.
    Bios = 1,
    /// Limine, on UEFI firmware.
    Uefi = 2,
}

/// Facts about the whole machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct SystemInformation {
    /// CPUs that run.
    pub cpus_online: u64,
    /// Usable CPUs that the firmware lists, online or not.
    pub cpus_listed: u64,
    /// A [`BootProtocol`] as a number.
    pub boot: u64,
    /// Microseconds from the first INIT to the last CPU online.
    pub bring_up_us: u64,
    /// Page frames that the kernel manages.
    pub frames_total: u64,
    /// Page frames in use: neither free, nor in a CPU's cache, nor part of the kernel heap.
    pub frames_in_use: u64,
    /// Bytes allocated from the kernel heap.
    pub heap_bytes_in_use: u64,
    /// Threads that exist.
    pub threads: u64,
    /// Programs that exist.
    pub programs: u64,
    /// Files in the boot archive.
    pub archive_files: u64,
    /// Bytes of memory that each CPU takes for itself: block, stacks, and the page tables that map them.
    pub bytes_per_cpu: u64,
    /// Times that interrupts came too fast, of a line or of those that nobody had asked for.
    pub interrupt_storms: u64,
    /// Bytes that have come by the console's serial line.
    pub console_received: u64,
    /// Bytes that had to wait before they went out by that line.
    pub console_queued: u64,
    /// Bytes that were not written, since the line took none for long.
    pub console_dropped: u64,
}

/// Facts about swapping. Counters count since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct SwapInformation {
    /// Where pages go: 0 nowhere, 1 to compressed memory, 2 to a disk.
    pub store: u64,
    /// Pages that the store has slots for.
    pub slots: u64,
    /// Slots in use.
    pub slots_in_use: u64,
    /// Page frames that hold compressed pages.
    pub frames: u64,
    /// The most that they may be.
    pub frames_limit: u64,
    /// Pages that were swapped out.
    pub pages_out: u64,
    /// Pages that were swapped in.
    pub pages_in: u64,
    /// Pages whose checksum was wrong.
    pub corrupt: u64,
    /// Reads and writes that the disk refused.
    pub disk_errors: u64,
}

/// Facts about one CPU. Addresses are virtual; counters count since the CPU came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub struct CpuInformation {
    /// Dense index, 0 is the CPU that started the kernel.
    pub index: u64,
    /// Local APIC id.
    pub apic_id: u64,
    /// Microseconds from the first INIT until this CPU was online; 0 for the first CPU.
    pub online_us: u64,
    /// The processor information block.
    pub block: u64,
    /// The GDT.
    pub gdt: u64,
    /// The TSS.
    pub tss: u64,
    /// Top of the NMI stack.
    pub ist_nmi: u64,
    /// Top of the double-fault stack.
    pub ist_double_fault: u64,
    /// Top of the machine-check stack.
    pub ist_machine_check: u64,
    /// Top of the debug stack.
    pub ist_debug: u64,
    /// Lowest address of the interrupt stack.
    pub interrupt_stack_base: u64,
    /// One past the highest address of the interrupt stack.
    pub interrupt_stack_top: u64,
    /// The most bytes of the interrupt stack that were ever in use.
    pub interrupt_stack_deepest: u64,
    /// Entries by vector, the 32 exceptions.
    pub exceptions: [u64; 32],
    /// System calls by SYSCALL.
    pub system_calls_syscall: u64,
    /// System calls by `int 0x80`.
    pub system_calls_int80: u64,
    /// Timer interrupts.
    pub timer: u64,
    /// Inter-processor interrupts.
    pub ipi: u64,
    /// Device interrupts.
    pub device: u64,
    /// Spurious interrupts.
    pub spurious: u64,
    /// Switches from one thread to another.
    pub switches: u64,
    /// NMIs that nobody had asked for.
    pub unexpected_nmis: u64,
    /// Machine checks: errors that the hardware had corrected.
    pub machine_checks_corrected: u64,
    /// Machine checks: errors about which nothing had to be done.
    pub machine_checks_deferred: u64,
    /// Machine checks that ended one program.
    pub machine_checks_contained: u64,
    /// Machine checks that every CPU should have been told of, and not every one came in time.
    pub machine_check_meetings_missed: u64,
    /// Threads that this CPU sent to one that had nothing to run, when they became ready or had to wait here.
    pub threads_placed: u64,
    /// Threads that waited here and went to a CPU that asked for one.
    pub threads_given: u64,
    /// How often this CPU had nothing to run and asked another one for a thread.
    pub threads_asked: u64,
    /// The most slices in a row at whose end a thread waited here while a CPU where it may run had nothing to run.
    pub waited_beside_idle: u64,
    /// Interrupts of any vector that nobody had asked for.
    pub unexpected_interrupts: u64,
    /// Vectors that interrupts of devices have there.
    pub device_vectors: u64,
}
