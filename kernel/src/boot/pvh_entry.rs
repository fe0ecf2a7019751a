//! The PVH entry point: from 32-bit protected mode without paging to [`pvh_start`](super::pvh::pvh_start).
//!
//! Source: the Xen documentation, "x86/HVM direct boot ABI".

use core::arch::global_asm;

use gatehouse_core::memory::layout::IMAGE_VIRTUAL_BASE;

use super::entry_state::{BOOT_CODE_SELECTOR, BOOT_DATA_SELECTOR};
use super::pvh::pvh_start;

/// Type of the ELF note that names the 32-bit entry (Xen's `XEN_ELFNOTE_PHYS32_ENTRY`).
const NOTE_PHYSICAL_ENTRY: u32 = 18;

/// CPUID leaf 0x8000_0001, EDX: the no-execute bit of page tables.
const CPUID_NO_EXECUTE: u32 = 1 << 20;
/// CPUID leaf 0x8000_0001, EDX: 64-bit mode.
const CPUID_LONG_MODE: u32 = 1 << 29;

/// CR4: physical address extension; FXSAVE and SSE; SSE exceptions. Every 64-bit processor has them.
const CR4_BOOT: u32 = 1 << 5 | 1 << 9 | 1 << 10;
/// The model-specific register EFER.
const MSR_EFER: u32 = 0xc000_0080;
/// EFER: long mode enable, no-execute enable.
const EFER_BOOT: u32 = 1 << 8 | 1 << 11;
/// CR0: protection, monitor coprocessor, native x87 errors, write protection in ring 0 too, paging. The bits left out
/// include emulation, task switched and cache disable.
const CR0_BOOT: u32 = 1 | 1 << 1 | 1 << 5 | 1 << 16 | 1 << 31;

/// Line status and transmit registers of the first serial port.
const SERIAL_STATUS: u16 = 0x3fd;
const SERIAL_DATA: u16 = 0x3f8;
/// Line status: the transmitter takes a byte.
const SERIAL_READY: u8 = 1 << 5;
/// QEMU's exit port and what the kernel writes there when it panics.
const DEBUG_EXIT_PORT: u16 = 0xf4;
const DEBUG_EXIT_PANIC: u32 = 0x12;

global_asm!(
    // Where QEMU finds the entry. The descriptor has 8 bytes because that is what QEMU reads of an ELF64 file.
    ".pushsection .note.pvh, \"a\", @note",
    ".balign 4",
    ".long 4", // name, with its zero
    ".long 8", // descriptor
    ".long {note_type}",
    ".asciz \"Xen\"",
    ".quad pvh_entry - {base}",
    ".popsection",

    ".pushsection .text.boot, \"ax\"",
    ".code32",
    // Hardware state: 32-bit protected mode, flat segments, paging off, interrupts off (the loader's promise,
    // made sure here), no stack. Code runs at physical addresses, so that every symbol is taken minus the
    // image's virtual base.
    // In: EBX = physical address of the start information. Lost: everything.
    // May interrupt: NMI and machine check only, and both would reset the machine: no IDT yet.
    ".global pvh_entry",
    ".set p_boot_stack_top, boot_stack_top - {base}",
    ".set p_boot_top_table, boot_top_table - {base}",
    ".set p_boot_gdt_pointer, boot_gdt_pointer_physical - {base}",
    ".set p_pvh_long_mode, pvh_long_mode - {base}",
    ".set p_no_long_mode, pvh_no_long_mode - {base}",
    ".set p_no_execute, pvh_no_no_execute - {base}",
    "pvh_entry:",
    "    cli",
    "    cld",
    "    mov esp, offset p_boot_stack_top",
    "    mov edi, ebx",                 // CPUID destroys EBX; EDI keeps the start information
    "    mov eax, 0x80000000",
    "    cpuid",
    "    mov esi, offset p_no_long_mode",
    "    cmp eax, 0x80000001",
    "    jb 3f",
    "    mov eax, 0x80000001",
    "    cpuid",
    "    test edx, {long_mode}",
    "    jz 3f",
    "    mov esi, offset p_no_execute",
    "    test edx, {no_execute}",
    "    jz 3f",
    // Order as the manual has it (Intel SDM volume 3, "Initializing IA-32e Mode"): PAE, CR3, LME, then PG.
    "    mov eax, {cr4}",
    "    mov cr4, eax",
    "    mov eax, offset p_boot_top_table",
    "    mov cr3, eax",
    "    mov ecx, {efer}",
    "    rdmsr",
    "    or eax, {efer_bits}",
    "    wrmsr",
    "    mov eax, {cr0}",
    "    mov cr0, eax",
    // Compatibility mode until CS is loaded with a 64-bit segment.
    "    lgdt [p_boot_gdt_pointer]",
    "    push {code}",
    "    mov eax, offset p_pvh_long_mode",
    "    push eax",
    "    retf",

    // ESI = physical address of a message that ends in 0. Each byte waits for the transmitter only so long.
    "3:  lodsb",
    "    test al, al",
    "    jz 6f",
    "    mov bl, al",
    "    mov ecx, 100000",
    "    mov dx, {serial_status}",
    "4:  in al, dx",
    "    test al, {serial_ready}",
    "    loopz 4b",
    "    mov al, bl",
    "    mov dx, {serial_data}",
    "    out dx, al",
    "    jmp 3b",
    "6:  mov dx, {exit_port}",
    "    mov eax, {exit_panic}",
    "    out dx, eax",
    "7:  hlt",
    "    jmp 7b",

    ".code64",
    // Hardware state: 64-bit mode at the identity mapping. In: EDI. The stack is empty.
    "pvh_long_mode:",
    "    movabs rax, offset pvh_high",
    "    jmp rax",
    // From here on at link addresses.
    "pvh_high:",
    "    lgdt [rip + boot_gdt_pointer]", // the identity mapping goes away
    "    mov eax, {data}",
    "    mov ds, eax",
    "    mov es, eax",
    "    mov ss, eax",
    "    xor eax, eax",
    "    mov fs, eax",
    "    mov gs, eax",
    "    lea rsp, [rip + boot_stack_top]",
    "    xor ebp, ebp",                  // backtraces end here
    "    mov edi, edi",                  // first argument, upper half cleared
    "    call {start}",                  // pushes 8 bytes: the alignment that the ABI wants at an entry
    "    ud2",
    ".popsection",

    ".pushsection .rodata.boot_messages, \"a\"",
    "pvh_no_long_mode: .asciz \"Gatehouse needs a 64-bit processor (CPUID: no long mode)\\r\\n\"",
    "pvh_no_no_execute: .asciz \"Gatehouse needs the no-execute bit of page tables (CPUID: no NX)\\r\\n\"",
    ".popsection",
    note_type = const NOTE_PHYSICAL_ENTRY,
    base = const IMAGE_VIRTUAL_BASE,
    long_mode = const CPUID_LONG_MODE,
    no_execute = const CPUID_NO_EXECUTE,
    cr4 = const CR4_BOOT,
    efer = const MSR_EFER,
    efer_bits = const EFER_BOOT,
    cr0 = const CR0_BOOT,
    code = const BOOT_CODE_SELECTOR,
    data = const BOOT_DATA_SELECTOR,
    serial_status = const SERIAL_STATUS,
    serial_data = const SERIAL_DATA,
    serial_ready = const SERIAL_READY,
    exit_port = const DEBUG_EXIT_PORT,
    exit_panic = const DEBUG_EXIT_PANIC,
    start = sym pvh_start,
);
