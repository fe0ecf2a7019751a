//! Reads back, on each CPU, what the kernel sets of the processor's state, and what firmware and loader left there. Wants the word
//! `test-hooks` on the command line; with `dirty-state` every register had another value before. With `wait=1` it stays until an NMI
//! comes, so that somebody can look from outside.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, TestHook};
use gatehouse_runtime::test_hook::test_hook;
use gatehouse_runtime::time::{Deadline, MILLISECOND, SECOND};
use gatehouse_runtime::{Kernel, entry, println};
use programs::{check, cpus, number_in, ok, wrong};

entry!(run);

/// Kinds of registers that the hook knows.
const MSR: u64 = 0;
const CONTROL: u64 = 1;
const DEBUG: u64 = 2;
const TABLE: u64 = 4;

/// What is 0 where it is there: SYSENTER's, DEBUGCTL, debug store, PEBS, trace, last branches, TSC_ADJUST, SPEC_CTRL,
/// UMWAIT_CONTROL, BNDCFGS, XFD and XFD_ERR, XSS, PKRS, U_CET, S_CET, stack pointers of shadow stacks, user interrupts, control of
/// counters, the counters of both vendors.
const ZERO: [u64; 41] = [
    0x174,
    0x175,
    0x176,
    0x1d9,
    0x600,
    0x3f1,
    0x570,
    0x14ce,
    0x3b,
    0x48,
    0xe1,
    0xd90,
    0x1c4,
    0x1c5,
    0xda0,
    0x6e1,
    0x6a0,
    0x6a2,
    0x6a4,
    0x6a5,
    0x6a6,
    0x6a7,
    0x6a8,
    0x985,
    0x986,
    0x988,
    0x989,
    0x98a,
    0x38f,
    0x38d,
    0x186,
    0x187,
    0xc000_0301,
    0xc001_0200,
    0xc001_0202,
    0xc001_0204,
    0xc001_0000,
    0xc001_0001,
    0xc001_0002,
    0xc001_0003,
    0xc000_010f,
];
const PAGE_ATTRIBUTES: (u64, u64) = (0x277, 0x0007_0406_0007_0406);
/// The selectors of SYSRET and SYSCALL.
const STAR: (u64, u64) = (0xc000_0081, 0x0013_0008_0000_0000);
/// RF, NT, IOPL, DF, IF, TF, AC.
const FLAG_MASK: (u64, u64) = (0xc000_0084, 0x5_7700);
const LSTAR: u64 = 0xc000_0082;
const CSTAR: u64 = 0xc000_0083;
const TSC_AUX: u64 = 0xc000_0103;
const MISC_ENABLE: u64 = 0x1a0;
const APIC_BASE: u64 = 0x1b;
/// NXE, LMA, LME, SCE.
const EFER: (u64, u64) = (0xc000_0080, 0xd01);
/// PG AM WP NE ET MP PE. TS is set, too, while a thread runs that has not used the floating-point unit.
const CR0: u64 = 0x8005_0033;
const CR0_TASK_SWITCHED: u64 = 1 << 3;
/// In x2APIC mode: task priority, LINT0, LINT1, error, and the entries that not every local APIC has.
const APIC: [(u64, u64); 4] = [(0x808, 0), (0x835, 0x1_0000), (0x836, 0x400), (0x837, 0xfe)];
const APIC_OPTIONAL: [u64; 3] = [0x833, 0x834, 0x82f];
const APIC_IN_SERVICE: core::ops::Range<u64> = 0x810..0x818;

fn run(_argument: u64) -> u64 {
    let first = look(0);
    for cpu in 1..cpus() {
        let here = look(cpu);
        check!(here == first, "CPU {cpu} has CR4, LSTAR, CSTAR {here:x?}, CPU 0 has {first:x?}");
    }
    println!("processor_state: as it should be on {} CPUs", cpus());
    let mut buffer = [0; 512];
    if number_in(ok("the command line", Kernel::command_line(&mut buffer)), "wait=").is_some() {
        wait_for_nmi();
    }
    0
}

/// Reads everything on a CPU; answers what must be the same on each.
fn look(cpu: u64) -> [Option<u64>; 3] {
    ok("a move", Kernel::move_to_cpu(cpu));
    let is = |kind, number, expected: u64, what: &str| {
        let seen = register(kind, number);
        check!(seen == Some(expected), "CPU {cpu}: {what} is {seen:x?}, not {expected:#x}");
    };
    for number in ZERO {
        let seen = register(MSR, number);
        check!(matches!(seen, None | Some(0)), "CPU {cpu}: MSR {number:#x} is {seen:x?}");
    }
    for (number, expected) in [PAGE_ATTRIBUTES, STAR, FLAG_MASK, EFER] {
        is(MSR, number, expected, "an MSR");
    }
    let misc = register(MSR, MISC_ENABLE).unwrap_or(0);
    check!(misc & (1 << 22 | 1 << 34) == 0, "CPU {cpu}: IA32_MISC_ENABLE is {misc:#x}");
    is(TABLE, 0, 0, "LDTR");
    is(TABLE, 1, 0x28, "TR");
    is(CONTROL, 8, 0, "CR8");
    let cr0 = register(CONTROL, 0).map(|value| value & !CR0_TASK_SWITCHED);
    check!(cr0 == Some(CR0), "CPU {cpu}: CR0 is {cr0:x?}");
    (0..4).for_each(|number| is(DEBUG, number, 0, "a debug register"));
    is(DEBUG, 6, 0xffff_0ff0, "DR6");
    is(DEBUG, 7, 0x400, "DR7");
    check_cr4(cpu);
    check_tsc_aux(cpu);
    if register(MSR, APIC_BASE).is_some_and(|base| base >> 10 & 1 != 0) {
        APIC.into_iter().for_each(|(number, expected)| is(MSR, number, expected, "a register of the local APIC"));
        APIC_IN_SERVICE.for_each(|number| is(MSR, number, 0, "what is in service"));
        for number in APIC_OPTIONAL {
            let seen = register(MSR, number);
            check!(matches!(seen, None | Some(0x1_0000)), "CPU {cpu}: local APIC {number:#x} is {seen:x?}");
        }
    }
    [register(CONTROL, 4), register(MSR, LSTAR), register(MSR, CSTAR)]
}

/// CR4 is what CPUID allows, and nothing else: PAE, OSFXSR, OSXMMEXCPT everywhere.
fn check_cr4(cpu: u64) {
    let (basic, extended) = (cpuid(1), cpuid(7));
    let bit = |word: u32, number: u32, place: u32| u64::from(word >> number & 1) << place;
    let expected = 1 << 5
        | 1 << 9
        | 1 << 10
        | bit(basic[3], 7, 6)
        | bit(basic[3], 13, 7)
        | bit(extended[2], 2, 11)
        | bit(extended[1], 0, 16)
        | bit(basic[2], 26, 18)
        | bit(extended[1], 7, 20)
        | bit(extended[1], 20, 21);
    let seen = register(CONTROL, 4);
    check!(seen == Some(expected), "CPU {cpu}: CR4 is {seen:x?}, not {expected:#x}");
}

/// Ring 3 reads the CPU's index by RDTSCP.
fn check_tsc_aux(cpu: u64) {
    if cpuid(0x8000_0001)[3] >> 27 & 1 == 0 {
        return;
    }
    let seen = register(MSR, TSC_AUX);
    check!(seen == Some(cpu), "CPU {cpu}: TSC_AUX is {seen:x?}");
    check!(auxiliary() == cpu, "CPU {cpu}: RDTSCP says {}", auxiliary());
}

/// A register of this CPU; `None` if there is none.
fn register(kind: u64, number: u64) -> Option<u64> {
    let half = |upper: u64| {
        // SAFETY: the hook reads a register.
        match unsafe { test_hook(TestHook::ShowRegister, upper << 63 | kind << 32 | number) } {
            Ok(half) => Some(half),
            Err(Error::NotFound) => None,
            Err(error) => wrong(file!(), format_args!("register {number:#x}: {error:?}")),
        }
    };
    Some(half(1)? << 32 | half(0)?)
}

/// EAX, EBX, ECX, EDX.
fn cpuid(leaf: u32) -> [u32; 4] {
    let answer = core::arch::x86_64::__cpuid_count(leaf, 0);
    [answer.eax, answer.ebx, answer.ecx, answer.edx]
}

#[cfg(target_os = "none")]
fn auxiliary() -> u64 {
    let number: u32;
    // SAFETY: the instruction exists, and reads.
    unsafe { core::arch::asm!("rdtscp", out("ecx") number, out("eax") _, out("edx") _, options(nomem, nostack)) };
    u64::from(number)
}

#[cfg(not(target_os = "none"))]
const fn auxiliary() -> u64 {
    0
}

fn wait_for_nmi() {
    let deadline = Deadline::after(120 * SECOND);
    println!("processor_state: waits for an NMI");
    loop {
        let cpu = ok("the CPU's counters", Kernel::cpu_information(0));
        if cpu.exceptions[2] > 0 {
            return;
        }
        check!(!deadline.passed(), "no NMI");
        Kernel::sleep(MILLISECOND);
    }
}
