//! Which model-specific registers a CPU gets what value in, whatever was there. `docs/isa/x86_64/processor-state.md` has the
//! reasons, row by row.

use super::features::Features;

/// A register that is set.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// Its number (Intel SDM volume 4; APM volume 2, "MSR Cross-Reference").
    pub(super) number: u32,
    /// What is written.
    pub(super) value: Value,
    /// Whether the CPU has it, as far as CPUID tells; where it only may have it, the write may be refused.
    pub(super) is_there: fn(&Features) -> bool,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// This number.
    Is(u64),
    /// The CPU's index.
    CpuIndex,
    /// The address of the entry of SYSCALL.
    SyscallEntry,
    /// What it was, without these bits.
    Without(u64),
}

/// PAT entries as after RESET: WB, WT, UC-, UC, twice.
const PAGE_ATTRIBUTES: u64 = 0x0007_0406_0007_0406;
/// `IA32_MISC_ENABLE`: CPUID ends at leaf 3; no page is protected from execution.
const LIMITS: u64 = 1 << 22 | 1 << 34;

macro_rules! rows {
    ($($number:literal $value:ident $(($argument:expr))? if $is_there:expr;)*) => {
        &[$(Row { number: $number, value: Value::$value $(($argument))?, is_there: $is_there }),*]
    };
}

/// Every register but those of the performance counters, whose number varies.
pub(super) const ROWS: &[Row] = rows! {
    // Entry points into ring 0: SYSENTER, and SYSCALL of 32-bit code on AMD's processors.
    0x174 Is(0) if |cpu| cpu.sysenter;
    0x175 Is(0) if |cpu| cpu.sysenter;
    0x176 Is(0) if |cpu| cpu.sysenter;
    0xc000_0083 SyscallEntry if |_| true;
    // Memory types, and what the processor hides.
    0x277 Is(PAGE_ATTRIBUTES) if |cpu| cpu.page_attributes;
    0x1a0 Without(LIMITS) if |cpu| cpu.intel;
    // What the processor writes to memory, or tells of what ran, by itself.
    0x1d9 Is(0) if |_| true;
    0x600 Is(0) if |cpu| cpu.debug_store;
    0x3f1 Is(0) if |cpu| cpu.debug_store;
    0x570 Is(0) if |cpu| cpu.processor_trace;
    0x14ce Is(0) if |cpu| cpu.last_branches;
    0xc000_010f Is(0) if |cpu| cpu.amd_last_branches;
    0x4b56_4d01 Is(0) if |cpu| cpu.kvm_clock;
    0x4b56_4d02 Is(0) if |cpu| cpu.kvm_page_faults;
    0x4b56_4d03 Is(0) if |cpu| cpu.kvm_stolen_time;
    0x4b56_4d04 Is(0) if |cpu| cpu.kvm_end_of_interrupt;
    // What ring 3 can read, or is bound by.
    0xc000_0103 CpuIndex if |cpu| cpu.tsc_aux;
    0x3b Is(0) if |cpu| cpu.tsc_adjust;
    0x48 Is(0) if |cpu| cpu.speculation_control;
    0xe1 Is(0) if |cpu| cpu.user_wait;
    0xd90 Is(0) if |cpu| cpu.bounds;
    0x1c4 Is(0) if |cpu| cpu.extended_feature_disable;
    0x1c5 Is(0) if |cpu| cpu.extended_feature_disable;
    0xda0 Is(0) if |cpu| cpu.supervisor_states;
    // What CR4 keeps out of force: nothing of it is there when a bit is set one day.
    0x6e1 Is(0) if |cpu| cpu.protection_keys;
    0x6a0 Is(0) if |cpu| cpu.shadow_stacks;
    0x6a2 Is(0) if |cpu| cpu.shadow_stacks;
    0x6a4 Is(0) if |cpu| cpu.shadow_stacks;
    0x6a5 Is(0) if |cpu| cpu.shadow_stacks;
    0x6a6 Is(0) if |cpu| cpu.shadow_stacks;
    0x6a7 Is(0) if |cpu| cpu.shadow_stacks;
    0x6a8 Is(0) if |cpu| cpu.shadow_stacks;
    0x985 Is(0) if |cpu| cpu.user_interrupts;
    0x986 Is(0) if |cpu| cpu.user_interrupts;
    0x988 Is(0) if |cpu| cpu.user_interrupts;
    0x989 Is(0) if |cpu| cpu.user_interrupts;
    0x98a Is(0) if |cpu| cpu.user_interrupts;
};

/// Performance counters: `IA32_PERF_GLOBAL_CTRL`, `IA32_FIXED_CTR_CTRL`, `IA32_PERFEVTSEL0`, as many as there are; AMD's
/// `PerfEvtSel0` of four, `PERF_CTL0` of six with the counters between, `PerfCntrGlobalCtl`. All off.
pub(super) fn counter_controls(cpu: &Features) -> impl Iterator<Item = u32> + use<> {
    let common = if cpu.counters_version >= 2 { 2 } else { 0 };
    let events = if cpu.counters_version >= 1 { cpu.counters } else { 0 };
    let amd_common = u32::from(cpu.amd_counters_control);
    let amd_extended = if cpu.amd && cpu.amd_counters { 6 } else { 0 };
    let amd_events = if cpu.amd && !cpu.amd_counters { 4 } else { 0 };
    [0x38f, 0x38d]
        .into_iter()
        .take(common)
        .chain((0..events).map(|number| 0x186 + number))
        .chain((0..amd_common).map(|_| 0xc000_0301))
        .chain((0..amd_extended).map(|number| 0xc001_0200 + 2 * number))
        .chain((0..amd_events).map(|number| 0xc001_0000 + number))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn every_register_is_there_once() {
        for (place, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..place].iter().all(|other| other.number != row.number), "{:#x}", row.number);
        }
    }

    /// The book lists every register that is set, by its number.
    #[test]
    fn the_book_has_every_register() {
        let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo tells the tests their package");
        let path = std::path::Path::new(&package).join("../docs/isa/x86_64/processor-state.md");
        let book = std::fs::read_to_string(&path).expect("the page is there");
        for row in ROWS {
            assert!(
                book.contains(&std::format!("`{:#x}`", row.number)),
                "{:#x} is missing in {}",
                row.number,
                path.display()
            );
        }
    }

    #[test]
    fn counters_are_those_that_the_processor_has() {
        let controls = |features: Features| counter_controls(&features).collect::<Vec<_>>();
        assert_eq!(controls(Features::default()), []);
        assert_eq!(controls(Features { counters_version: 1, counters: 2, ..Features::default() }), [0x186, 0x187]);
        let second = Features { counters_version: 2, counters: 1, ..Features::default() };
        assert_eq!(controls(second), [0x38f, 0x38d, 0x186]);
        let old = Features { amd: true, ..Features::default() };
        assert_eq!(controls(old), [0xc001_0000, 0xc001_0001, 0xc001_0002, 0xc001_0003]);
        let new = Features { amd: true, amd_counters: true, amd_counters_control: true, ..Features::default() };
        assert_eq!(controls(new)[..3], [0xc000_0301, 0xc001_0200, 0xc001_0202]);
        assert_eq!(controls(new).len(), 7);
    }
}
