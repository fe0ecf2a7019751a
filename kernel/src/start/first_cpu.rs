//! The first CPU's way.

use alloc::vec::Vec;

use gatehouse_core::command_line::CommandLine;
use smp::local_apic::{self, LocalApic, Mode};
use x86_64::PhysAddr;
use x86_64::instructions::port::PortWriteOnly;

use super::silent_cpus::SilentCpus;
use super::{acpi_tables, cpus, first_program, other_cpus, timer};
use crate::arch::{Idle, IdleFeatures, KernelInterrupt, TscClock, initialise_cpu, prepare_decoder};
use crate::clock;
use crate::entry::{patch_entries, patch_lock_sites, syscall_entry, vectors_table};
use crate::facts;
use crate::hardware_timer::install_timer;
use crate::ipi;
use crate::life;
use crate::lockdown::watchdog;
use crate::memory::boot_info::BootInfo;
use crate::memory::kernel_space::{map_mmio, set_shootdown};
use crate::memory::{self, direct_map, frame};
use crate::object::FOREST;
use crate::pci::{Silenced, silence_devices};
use crate::program::{archive, install_fates};
use crate::sync::graph;
use crate::thread::migratable::install_load_masks;
use crate::{console, cpu, ipc, irq, power, sched, swap, system_call, test_hooks, test_overflow, test_state};

/// Capabilities that the kernel has room for from the start, for each CPU. More take memory when they come.
const CAPABILITIES_PER_CPU: usize = 1024;

/// Where both boot protocols lead: called once, on the first CPU, with interrupts off.
pub fn kernel_main(boot: BootInfo) -> ! {
    // What the firmware let its devices write to is memory like any other from here on.
    let Silenced { writing, messages } = silence_devices();
    memory::initialize(&boot);
    facts::install(boot.protocol, boot.command_line.as_str());
    console::line(format_args!("Gatehouse {} by {:?}", env!("CARGO_PKG_VERSION"), boot.protocol));
    if writing + messages > 0 {
        console::line(format_args!(
            "PCI: the firmware had left {writing} devices writing to memory, {messages} with messages: stopped"
        ));
    }
    tell_words_for_programs(&boot.command_line);
    if let Some(overwritten) = boot.overwritten {
        console::line(format_args!(
            "the loader put the boot archive over {overwritten:?}, which the memory map keeps from use: what the firmware had there is lost"
        ));
    }
    read_archive(&boot);

    // Who is there.
    prepare_decoder();
    let boot_id = local_apic::initial_apic_id();
    let machine = acpi_tables::read(boot.rsdp, boot_id);
    power::initialize(boot.rsdp);
    machine.topology.note_summaries().for_each(|summary| console::line(format_args!("{summary}")));

    // This CPU's trap state, before anything may trap.
    let limit = cpu_limit(&boot);
    let topology = &machine.topology;
    let listed = || topology.cpus.iter().take(limit);
    let highest = listed().map(|cpu| cpu.apic_id).max().unwrap_or(boot_id);
    let apic = local_apic_driver(&boot, &machine.topology, highest);
    let with_pins = listed().map(|cpu| (cpu.apic_id, topology.pins(cpu.processor_uid)));
    let blocks = cpus::make_blocks(with_pins, apic, idle(&boot));
    // SAFETY: no other CPU runs, and no IDT is loaded.
    unsafe { patch_entries() };
    if boot.command_line.has("lock-graph") {
        graph::record();
        // SAFETY: interrupts are off, and no other CPU runs.
        unsafe { patch_lock_sites() };
    }
    let Some(first) = blocks.first().copied() else { panic!("cannot start: no CPU is left to run") };
    // SAFETY: ring 0, interrupts off, first use of this block, and this CPU is the first of the list.
    let ready = unsafe { first.block().init(vectors_table()) };
    test_state::dirty_if_wanted();
    // SAFETY: the block is in use, interrupts are off, and the entry is that of SYSCALL.
    let _the_first_agrees = unsafe { initialise_cpu(first.index(), syscall_entry) };
    install_load_masks(blocks.len());
    cpu::install(blocks);
    frame::set_cache_locator(frame::find_cache);
    set_shootdown(ipi::flush_kernel_pages);
    let this = cpu::this();

    // Interrupts: the legacy controllers are silenced, the local APIC takes over. And what time it is.
    mask_legacy_controllers();
    apic.enable(KernelInterrupt::ControllerError.vector(), this.pins());
    irq::io_apics::initialize(&machine.topology);
    let (calibration, hardware_timer) = timer::measure(&apic, machine.power_management_timer);
    let clock = clock::install_clock(TscClock::new(calibration.hertz));
    install_timer(&this, hardware_timer);
    sched::install_slice();
    first.set_online(0);
    console::line(format_args!(
        "clock {} MHz, within {} ppm of {:?}, {}, {} CPUs listed",
        clock.hertz() / 1_000_000,
        calibration.error_ppm,
        calibration.reference,
        apic.mode(),
        cpu::all().len()
    ));

    if calibration.is_doubtful() {
        console::line(format_args!("{calibration}"));
    }

    if FOREST.prepare(CAPABILITIES_PER_CPU * cpu::all().len()).is_err() {
        panic!("cannot start: no memory for capabilities");
    }

    watchdog::set_limit(watchdog_limit(&boot));
    ipi::set_limit(answer_limit(&boot));
    test_overflow::overflow_if_wanted_at("boot-stack");
    system_call::set_test_hooks(test_hooks::run);
    sched::install_hooks(life::HOOKS, ipc::HOOKS);
    install_fates(life::FATES);

    // Everybody else, then the first program. What the loader left is free once nobody reads it any more.
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    let ids: Vec<_> = cpu::all().iter().map(|block| block.apic_id()).collect();
    other_cpus::start(&this, hardware_timer, &SilentCpus::from_command_line(&boot.command_line, &ids));
    // SAFETY: the command line was copied, the archive is no loader memory, and the tables of the start are gone.
    unsafe { memory::release_loader_memory(&boot) };
    irq::serial::initialize(&this);
    swap::initialize(&boot.command_line);
    first_program::start(&this, boot.command_line.value("init").unwrap_or("demo"));
    other_cpus::enter_scheduler(&this, ready)
}

/// Takes in the boot archive.
fn read_archive(boot: &BootInfo) {
    let Some(range) = boot.archive else { panic!("cannot start: the boot loader passed no archive of programs") };
    // SAFETY: the boot path set the range aside, and nothing ever writes to it.
    let bytes = unsafe { direct_map::bytes(range) };
    if let Err(error) = archive::initialize(bytes) {
        panic!("cannot start: {error}");
    }
}

/// A misspelt word shows here.
fn tell_words_for_programs(line: &CommandLine) {
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    let words: Vec<_> = line.words_for_programs().collect();
    if !words.is_empty() {
        console::line(format_args!("command line, for programs: {}", words.join(" ")));
    }
}

/// How many CPUs the command line allows: `cpus=N`.
fn cpu_limit(boot: &BootInfo) -> usize {
    match boot.command_line.parse::<usize>("cpus") {
        Ok(Some(0)) => panic!("cannot start: cpus=0 on the command line leaves no CPU"),
        Ok(limit) => limit.unwrap_or(usize::MAX),
        Err(error) => panic!("cannot start: {error}"),
    }
}

/// How CPUs wait: `idle=hlt` or `idle=mwait`, or what is best here.
fn idle(boot: &BootInfo) -> Idle {
    Idle::choose(boot.command_line.value("idle"), IdleFeatures::detect())
        .unwrap_or_else(|error| panic!("cannot start: {error}"))
}

/// How long a CPU may take no interrupts, in seconds: `watchdog=N`, 0 for ever.
fn watchdog_limit(boot: &BootInfo) -> u64 {
    let limit = boot.command_line.parse("watchdog").unwrap_or_else(|error| panic!("cannot start: {error}"));
    limit.unwrap_or(watchdog::DEFAULT_LIMIT_SECONDS)
}

/// Seconds that a CPU may take to answer another: `answer=N`.
fn answer_limit(boot: &BootInfo) -> u64 {
    let limit = boot.command_line.parse("answer").unwrap_or_else(|error| panic!("cannot start: {error}"));
    limit.unwrap_or(ipi::DEFAULT_LIMIT_SECONDS)
}

/// The driver in the mode that fits the machine, or that the command line forces: `apic=xapic` or `apic=x2apic`.
fn local_apic_driver(boot: &BootInfo, topology: &smp::madt::Topology, highest: percpu::ApicId) -> LocalApic {
    let forced = match boot.command_line.value("apic") {
        None => None,
        Some("xapic") => Some(Mode::XApic),
        Some("x2apic") => Some(Mode::X2Apic),
        Some(other) => panic!("cannot start: apic={other} on the command line is neither xapic nor x2apic"),
    };
    // SAFETY: ring 0.
    let base = unsafe { local_apic::read_apic_base() };
    let mode = local_apic::choose_mode(local_apic::has_x2apic(), base, highest, forced)
        .unwrap_or_else(|error| panic!("cannot start: {error}"));
    let registers = match mode {
        Mode::X2Apic => core::ptr::null_mut(),
        Mode::XApic => map_mmio(PhysAddr::new(topology.local_apic_address), 4096)
            .unwrap_or_else(|error| panic!("cannot start: the local APIC cannot be mapped: {error}"))
            .as_mut_ptr(),
    };
    // SAFETY: the mode fits the machine; in xAPIC mode the page is mapped uncached, for ever, in the kernel's half of all
    // address spaces; the driver stays in the kernel.
    unsafe { LocalApic::new(mode, registers) }
}

/// Masks both 8259 controllers: all interrupts come by local APICs.
fn mask_legacy_controllers() {
    for port in [0x21_u16, 0xa1] {
        // SAFETY: the mask registers of the two controllers; where there are none, nothing listens.
        unsafe { PortWriteOnly::<u8>::new(port).write(0xff) };
    }
}
