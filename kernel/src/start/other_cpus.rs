//! Starting the other CPUs, and their way.

use alloc::boxed::Box;
use alloc::vec::Vec;

use percpu::TrapsReady;
use smp::bring_up::{IpiSender, StartRecord, Timing, start_all};
use smp::icr::{Command, Destination};
use smp::local_apic::SendError;
use smp::trampoline::{Parameters, TrampolinePage};
use smp::{ApicId, Clock};
use spin::Once;

use super::silent_cpus::SilentCpus;
use crate::arch::{CpuFeatures, KernelInterrupt, control_registers, initialise_cpu, stop_cpu};
use crate::clock::clock;
use crate::cpu::{self, Cpu, ThisCpu};
use crate::entry::{syscall_entry, vectors_table};
use crate::facts::facts;
use crate::hardware_timer::{HardwareTimer, install_timer};
use crate::lockdown::watchdog;
use crate::memory::kernel_space::{kernel_root, trampoline_root};
use crate::memory::{direct_map, frame};
use crate::{arch, console, sched, test_overflow, test_state};

/// What every starting CPU needs to know.
struct Shared {
    records: &'static [StartRecord],
    timer: HardwareTimer,
    first_init_ns: u64,
}

static SHARED: Once<Shared> = Once::new();

/// This CPU's way to send.
struct Sender<'start> {
    cpu: &'start ThisCpu,
    /// Whose SIPIs are dropped.
    silent: &'start SilentCpus,
}

impl IpiSender for Sender<'_> {
    fn own_id(&self) -> ApicId {
        self.cpu.apic_id()
    }

    fn send(&self, command: Command, destination: Destination) -> Result<(), SendError> {
        if let (Command::Startup(_), Destination::Physical(id)) = (command, destination)
            && self.silent.contains(id)
        {
            return Ok(());
        }
        self.cpu.apic().send(command, destination)
    }
}

/// How long all of them may take: two seconds, and what hosts with more virtual CPUs than cores need besides.
fn deadline_ns(count: usize) -> u64 {
    2_000_000_000 + count as u64 * 50_000_000
}

/// Starts all listed CPUs but this one, in parallel. One that does not come up is named and left out.
///
/// # Panics
/// If there is no page below 1 MiB to start them from.
pub(super) fn start(cpu: &ThisCpu, timer: HardwareTimer, silent: &SilentCpus) {
    let others = &cpu::all()[1..];
    if others.is_empty() {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    let records: &'static [StartRecord] = Box::leak(others.iter().copied().map(record).collect::<Vec<_>>().into());
    let Some(page) = frame::low_page() else { panic!("cannot start: no free page below 1 MiB to start CPUs from") };
    let root = trampoline_root(page.address())
        .unwrap_or_else(|error| panic!("cannot start: no page tables for starting CPUs: {error}"));
    let registers = control_registers(&CpuFeatures::detect());
    let parameters = Parameters {
        page_table_root: u64::from(root.address()),
        cr0: registers.cr0.bits(),
        cr4: registers.cr4.bits(),
        efer: registers.efer.bits(),
        entry: other_main,
    };
    let physical = page.address().as_u64();
    // SAFETY: the page is this function's alone and mapped by the root at its own address; the stacks in the records are the
    // interrupt stacks of CPUs that do not run yet.
    let trampoline =
        unsafe { TrampolinePage::install(direct_map::pointer(physical), physical as u32, &parameters, records) }
            .unwrap_or_else(|error| panic!("cannot start the other CPUs: {error}"));
    let first_init_ns = clock().now_ns();
    SHARED.call_once(|| Shared { records, timer, first_init_ns });
    let timing = Timing { deadline_ns: deadline_ns(records.len()), ..Timing::STANDARD };
    let report = start_all(&trampoline, &Sender { cpu, silent }, clock(), &timing)
        .unwrap_or_else(|error| panic!("cannot start the other CPUs: {error}"));
    facts().set_bring_up_ns(report.elapsed_ns);
    console::line(format_args!(
        "{} of {} CPUs online, {} us after the first INIT",
        report.online.len() + 1,
        records.len() + 1,
        report.elapsed_ns / 1000
    ));
    report.dead.iter().for_each(|dead| console::line(format_args!("left out: {dead}")));
    // A late CPU may still run through the page into its refusal, so page and tables stay.
    if report.dead.is_empty() {
        drop((page, root));
    } else {
        core::mem::forget((page, root));
    }
}

fn record(block: Cpu) -> StartRecord {
    StartRecord::new(block.apic_id(), block.interrupt_stack().top(), u64::from(block.index().get()))
}

/// Where the trampoline leads: another CPU, on its own interrupt stack, interrupts off.
extern "C" fn other_main(index: u64) -> ! {
    // SAFETY: the kernel's own tables map what the trampoline's map, but for the trampoline.
    unsafe { arch::load_address_space(kernel_root().as_u64()) };
    let block = cpu::all()[index as usize];
    // SAFETY: ring 0, interrupts off, first use of this block, by the CPU that its record named.
    let ready = unsafe { block.block().init(vectors_table()) };
    test_state::dirty_if_wanted();
    // SAFETY: the block is in use, interrupts are off, and the entry is that of SYSCALL.
    let agrees = unsafe { initialise_cpu(block.index(), syscall_entry) };
    let this = cpu::this();
    if !agrees {
        console::line(format_args!("CPU {index}: the firmware set other memory types (MTRR) than on CPU 0"));
    }
    this.apic().enable(KernelInterrupt::ControllerError.vector(), this.pins());
    let Some(shared) = SHARED.get() else { unreachable!("set before any CPU is started") };
    install_timer(&this, shared.timer);
    test_overflow::overflow_if_wanted_at("start-stack");
    let now = clock().now_ns();
    block.set_online(now.saturating_sub(shared.first_init_ns));
    if !shared.records[index as usize - 1].mark_online(now) {
        // The first CPU has given up on this one and told so.
        stop_cpu();
    }
    enter_scheduler(&this, ready)
}

/// Leaves the boot path for good: runs threads, or idles, which enables interrupts: hence the proof.
pub(super) fn enter_scheduler(cpu: &ThisCpu, _ready: TrapsReady) -> ! {
    watchdog::start(cpu);
    let frame = sched::pick(cpu);
    // SAFETY: the scheduler answers whole frames; this CPU's block is in use, interrupts are off, and the stack of the boot
    // path is not needed again.
    unsafe { arch::leave_through(frame) }
}
