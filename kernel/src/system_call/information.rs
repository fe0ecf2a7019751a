//! Facts for programs.

use gatehouse_abi::{
    CpuInformation, Error, INFORMATION_COMMAND_LINE, INFORMATION_CPU, INFORMATION_PROGRAM_NAME, INFORMATION_SWAP,
    INFORMATION_SYSTEM, SystemInformation,
};
use percpu::CpuIndex;

use crate::arch::{MACHINE_CHECKS, TrapCounts};
use crate::cpu::{self, Cpu, NMI};
use crate::facts::facts;
use crate::memory::frame::FRAME_CACHE;
use crate::memory::{frame, heap};
use crate::program::{self, archive};
use crate::sched::COUNTS;
use crate::thread::Thread;
use crate::{console, irq, swap, thread, user_copy};

pub(super) fn information(thread: &Thread, arguments: &[u64; 6]) -> Result<u64, Error> {
    let [kind, index, buffer, length, ..] = *arguments;
    match kind {
        INFORMATION_SYSTEM => give(thread, buffer, length, user_copy::bytes_of(&system())),
        INFORMATION_CPU => {
            let index = u32::try_from(index).map_err(|_| Error::NoSuchCpu)?;
            let block = cpu::by_index(CpuIndex::new(index)).ok_or(Error::NoSuchCpu)?;
            let mut information = cpu_information(block);
            if !thread.program().is_first() {
                hide_addresses(&mut information);
            }
            give(thread, buffer, length, user_copy::bytes_of(&information))
        }
        INFORMATION_PROGRAM_NAME => {
            let name = archive::name(index).ok_or(Error::NotFound)?;
            give(thread, buffer, length, name.as_bytes())
        }
        INFORMATION_COMMAND_LINE => give(thread, buffer, length, facts().command_line.as_bytes()),
        INFORMATION_SWAP => give(thread, buffer, length, user_copy::bytes_of(&swap::information())),
        _ => Err(Error::InvalidArgument),
    }
}

fn give(thread: &Thread, buffer: u64, length: u64, bytes: &[u8]) -> Result<u64, Error> {
    if length < bytes.len() as u64 {
        return Err(Error::BufferTooSmall);
    }
    user_copy::write(thread.program(), buffer, bytes)?;
    Ok(bytes.len() as u64)
}

fn system() -> SystemInformation {
    let facts = facts();
    let frames = frame::counters();
    let heap = heap::counters();
    let cached: u64 = cpu::all().iter().map(|block| FRAME_CACHE.of(block).count() as u64).sum();
    let (console_received, console_queued, console_dropped) = console::counts();
    SystemInformation {
        cpus_online: cpu::all().iter().filter(|block| block.is_online()).count() as u64,
        cpus_listed: cpu::all().len() as u64,
        boot: facts.protocol as u64,
        bring_up_us: facts.bring_up_ns() / 1000,
        frames_total: frames.total,
        frames_in_use: frames.total.saturating_sub(frames.free).saturating_sub(cached).saturating_sub(heap.frames),
        heap_bytes_in_use: heap.bytes_in_use,
        threads: thread::count(),
        programs: program::count(),
        archive_files: archive::count(),
        bytes_per_cpu: facts.bytes_per_cpu(),
        interrupt_storms: irq::storms(),
        console_received,
        console_queued,
        console_dropped,
    }
}

/// Where the kernel's tables and stacks lie helps nobody but attackers and tests.
const fn hide_addresses(information: &mut CpuInformation) {
    information.block = 0;
    information.gdt = 0;
    information.tss = 0;
    information.ist_nmi = 0;
    information.ist_double_fault = 0;
    information.ist_machine_check = 0;
    information.ist_debug = 0;
    information.interrupt_stack_base = 0;
    information.interrupt_stack_top = 0;
}

fn cpu_information(block: Cpu) -> CpuInformation {
    let stacks = block.stacks();
    let counts = TrapCounts::of(block.entries());
    let scheduled = COUNTS.of(block);
    let machine_check = MACHINE_CHECKS.of(block);
    CpuInformation {
        index: u64::from(block.index().get()),
        apic_id: u64::from(block.apic_id().get()),
        online_us: block.online_ns() / 1000,
        block: core::ptr::from_ref(block.block()) as u64,
        gdt: block.segments_address(),
        tss: block.task_state().as_ptr() as u64,
        ist_nmi: stacks.nmi[0].top(),
        ist_double_fault: stacks.double_fault.top(),
        ist_machine_check: stacks.machine_check.top(),
        ist_debug: stacks.debug.top(),
        interrupt_stack_base: block.interrupt_stack().base(),
        interrupt_stack_top: block.interrupt_stack().top(),
        interrupt_stack_deepest: block.interrupt_stack().deepest(),
        exceptions: counts.exceptions,
        system_calls_syscall: counts.syscall,
        system_calls_int80: counts.int80,
        timer: counts.timer,
        ipi: counts.ipi,
        device: counts.device,
        spurious: counts.spurious,
        switches: scheduled.switches(),
        unexpected_nmis: NMI.of(block).unexpected(),
        machine_checks_corrected: machine_check.corrected(),
        machine_checks_deferred: machine_check.deferred(),
        machine_checks_contained: machine_check.contained(),
        machine_check_meetings_missed: machine_check.missed_meetings(),
        threads_placed: scheduled.placed(),
        threads_given: scheduled.given(),
        threads_asked: scheduled.asked(),
        waited_beside_idle: scheduled.waited_beside_idle(),
        unexpected_interrupts: irq::unexpected_interrupts(block),
        device_vectors: irq::vectors_in_use(block) as u64,
    }
}
