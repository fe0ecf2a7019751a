//! The trampoline's code: real mode to the kernel's entry.
//!
//! Position independent: it runs at whatever page it was copied to, finds that page's address from CS, and all
//! else in the header. Nothing interrupts it: INIT leaves interrupts off, and they stay off. An NMI or a fault
//! in here has no IDT and shuts the CPU down; LINT1 of a CPU after INIT is masked.
//!
//! Order of the switch to 64-bit mode: Intel SDM volume 3A, "Initializing IA-32e Mode": paging off, CR4.PAE
//! (and LA57), CR3, EFER.LME, CR0.PG.

use core::arch::global_asm;
use core::mem::{offset_of, size_of};

use super::header::{DATA, HEADER_OFFSET, Header, PAGE_SIZE};
use crate::bring_up::{StartRecord, State};

// The offset of a header field from the start of the page.
macro_rules! in_page {
    ($field:ident) => {
        HEADER_OFFSET + offset_of!(Header, $field)
    };
}

global_asm!(
    ".pushsection .rodata.smp_trampoline, \"a\", @progbits",
    ".balign 16",
    ".global smp_trampoline_start",
    ".global smp_trampoline_protected_mode",
    ".global smp_trampoline_long_mode",
    //
    // Real mode. CS = page number << 8, IP = 0, every other register unknown. No stack.
    // Out: EBX = physical address of the page.
    //
    ".code16",
    "smp_trampoline_start:",
    "    jmp 2f",
    "    .org smp_trampoline_start + {header}, 0x90",
    "    .skip {header_size}",
    "2:",
    "    cli",
    "    cld",
    "    mov ax, cs",
    "    mov ds, ax",
    "    movzx ebx, ax",
    "    shl ebx, 4",
    // The 16-bit form loads 24 bits of the base, and the page lies below 1 MiB.
    "    lgdt [{gdt}]",
    // Protection on, paging off yet; this also turns the caches on, which INIT may leave off.
    "    mov eax, [{cr0}]",
    "    and eax, {not_paging}",
    "    mov cr0, eax",
    "    jmp fword ptr [{protected_mode}]",
    //
    // 32-bit protected mode, no paging. EBX = page. No stack.
    // Lost: EAX, ECX, EDX.
    //
    ".code32",
    "smp_trampoline_protected_mode:",
    "    mov eax, {data}",
    "    mov ds, eax",
    "    mov es, eax",
    "    mov ss, eax",
    "    mov eax, [ebx + {cr4}]",
    "    mov cr4, eax",
    "    mov eax, [ebx + {page_table_root}]",
    "    mov cr3, eax",
    "    mov ecx, {efer_msr}",
    "    mov eax, [ebx + {efer}]",
    "    xor edx, edx",
    "    wrmsr",
    "    mov eax, [ebx + {cr0}]",
    "    mov cr0, eax",
    // Compatibility mode until the far jump loads a 64-bit code segment.
    "    jmp fword ptr [ebx + {long_mode}]",
    //
    // 64-bit mode, in the kernel's address space, on the identity mapping of the page. EBX = page. No stack.
    // R15 = page, R14 = own APIC id, RSI = record, RCX = records left.
    //
    ".code64",
    "smp_trampoline_long_mode:",
    // The upper halves are undefined after the switch: writing the lower half clears them.
    "    mov r15d, ebx",
    // Leaf 0xb has the 32-bit id, unless EBX says that the leaf is not there; else leaf 1 has 8 bits.
    "    xor eax, eax",
    "    cpuid",
    "    cmp eax, 0xb",
    "    jb 3f",
    "    mov eax, 0xb",
    "    xor ecx, ecx",
    "    cpuid",
    "    mov r14d, edx",
    "    test ebx, ebx",
    "    jnz 4f",
    "3:  mov eax, 1",
    "    cpuid",
    "    shr ebx, 24",
    "    mov r14d, ebx",
    "4:  mov rsi, [r15 + {records}]",
    "    mov rcx, [r15 + {record_count}]",
    "5:  test rcx, rcx",
    "    jz 7f",
    "    cmp [rsi + {apic_id}], r14d",
    "    je 6f",
    "    add rsi, {record_size}",
    "    dec rcx",
    "    jmp 5b",
    // Claim the record. Who loses was given up, or is the second with this id.
    "6:  mov eax, {waiting}",
    "    mov edx, {started}",
    "    lock cmpxchg [rsi + {state}], edx",
    "    jne 7f",
    "    rdtsc",
    "    shl rdx, 32",
    "    or rax, rdx",
    "    mov [rsi + {started_tsc}], rax",
    "    mov rdi, [rsi + {argument}]",
    "    mov rsp, [rsi + {stack_top}]",
    "    xor ebp, ebp",
    "    mov rax, [r15 + {entry}]",
    // [rsp] = 0: the return address that the entry function expects, and where a backtrace ends.
    "    push 0",
    "    jmp rax",
    // Not listed, or too late: halt for ever.
    "7:  cli",
    "    hlt",
    "    jmp 7b",
    // Fills the page; an error if the code has outgrown it.
    "    .org smp_trampoline_start + {page_size}, 0xcc",
    ".popsection",
    page_size = const PAGE_SIZE,
    header = const HEADER_OFFSET,
    header_size = const size_of::<Header>(),
    gdt = const in_page!(gdt_limit),
    protected_mode = const in_page!(protected_mode),
    long_mode = const in_page!(long_mode),
    page_table_root = const in_page!(page_table_root),
    cr4 = const in_page!(cr4),
    efer = const in_page!(efer),
    cr0 = const in_page!(cr0),
    entry = const in_page!(entry),
    records = const in_page!(records),
    record_count = const in_page!(record_count),
    data = const DATA,
    not_paging = const 0x7fff_ffff,
    efer_msr = const 0xc000_0080_u32,
    apic_id = const offset_of!(StartRecord, apic_id),
    state = const offset_of!(StartRecord, state),
    stack_top = const offset_of!(StartRecord, stack_top),
    argument = const offset_of!(StartRecord, argument),
    started_tsc = const offset_of!(StartRecord, started_tsc),
    record_size = const size_of::<StartRecord>(),
    waiting = const State::Waiting as u32,
    started = const State::Started as u32,
);

unsafe extern "C" {
    /// The whole page, [`PAGE_SIZE`] bytes.
    pub(super) safe static smp_trampoline_start: [u8; PAGE_SIZE];
    pub(super) safe static smp_trampoline_protected_mode: u8;
    pub(super) safe static smp_trampoline_long_mode: u8;
}
