//! Whether every CPU has trap state of its own.

use gatehouse_runtime::abi::CpuInformation;

use crate::counters::Reading;
use crate::problems::Problems;

/// What an interrupt stack must have at least, in bytes.
const INTERRUPT_STACK_BYTES: u64 = 256 * 1024;

/// Checks each CPU's trap state by itself and against that of every other CPU.
pub(crate) fn check(readings: &[Reading], problems: &mut Problems) {
    for (index, reading) in readings.iter().enumerate() {
        let cpu = &reading.information;
        if cpu.index != index as u64 {
            problems.tell(format_args!("CPU {index} says that it is CPU {}", cpu.index));
        }
        let bytes = cpu.interrupt_stack_top.saturating_sub(cpu.interrupt_stack_base);
        if bytes < INTERRUPT_STACK_BYTES {
            problems.tell(format_args!("CPU {index}: an interrupt stack of {bytes} bytes"));
        }
        for top in stack_tops(cpu) {
            if top == 0 || top % 16 != 0 {
                problems.tell(format_args!("CPU {index}: a stack whose top is {top:#x}"));
            }
        }
        for other in &readings[..index] {
            if let Some(what) = shared(cpu, &other.information) {
                problems.tell(format_args!("CPU {index} and CPU {} have the same {what}", other.information.index));
            }
        }
    }
}

/// Tops of the stacks that the hardware or the entry path loads.
const fn stack_tops(cpu: &CpuInformation) -> [u64; 5] {
    [cpu.interrupt_stack_top, cpu.ist_nmi, cpu.ist_double_fault, cpu.ist_machine_check, cpu.ist_debug]
}

/// Something that two CPUs have in common and must not.
fn shared(one: &CpuInformation, other: &CpuInformation) -> Option<&'static str> {
    let stacks_overlap =
        one.interrupt_stack_base < other.interrupt_stack_top && other.interrupt_stack_base < one.interrupt_stack_top;
    if one.apic_id == other.apic_id {
        Some("APIC id")
    } else if one.block == other.block {
        Some("information block")
    } else if one.gdt == other.gdt {
        Some("GDT")
    } else if one.tss == other.tss {
        Some("TSS")
    } else if stacks_overlap {
        Some("memory in their interrupt stacks")
    } else if stack_tops(one).iter().any(|top| stack_tops(other).contains(top)) {
        Some("stack")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::counters::Reading;
    use crate::problems::Problems;
    use gatehouse_runtime::abi::CpuInformation;

    fn cpu(index: u64) -> Reading {
        let base = 0x100_0000 * (index + 1);
        let information = CpuInformation {
            index,
            apic_id: index * 2,
            block: base,
            gdt: base + 0x1000,
            tss: base + 0x2000,
            ist_nmi: base + 0x10000,
            ist_double_fault: base + 0x20000,
            ist_machine_check: base + 0x30000,
            ist_debug: base + 0x40000,
            interrupt_stack_base: base + 0x10_0000,
            interrupt_stack_top: base + 0x14_0000,
            ..CpuInformation::default()
        };
        Reading { information, ..Reading::default() }
    }

    fn complains(readings: [Reading; 2]) -> bool {
        let mut problems = Problems::none_and_silent();
        check(&readings, &mut problems);
        problems.count() > 0
    }

    #[test]
    fn separate_state_is_accepted() {
        assert!(!complains([cpu(0), cpu(1)]));
    }

    #[test]
    fn shared_or_bad_state_is_told() {
        let spoil: [fn(&mut CpuInformation); 9] = [
            |cpu| cpu.index = 0,
            |cpu| cpu.apic_id = 0,
            |cpu| cpu.tss = 0x100_2000,
            |cpu| cpu.gdt = 0x100_1000,
            |cpu| cpu.block = 0x100_0000,
            |cpu| cpu.ist_debug = 0x101_0000,
            |cpu| cpu.ist_nmi += 8,
            |cpu| cpu.interrupt_stack_base += 4096,
            |cpu| cpu.interrupt_stack_base = 0,
        ];
        for (index, spoil) in spoil.into_iter().enumerate() {
            let mut second = cpu(1);
            spoil(&mut second.information);
            assert!(complains([cpu(0), second]), "case {index}");
        }
    }
}
