//! Stopping CPUs: by an interrupt, which a CPU takes between two pieces of work, and by NMI if it does not come to that.

use smp::icr::{Command, Destination};
use smp::ipi::Kind;

use super::record::{Cause, STOP_RECORD, Stopped};
use super::waiting::wait;
use crate::arch::{Frame, KernelInterrupt, stop_cpu};
use crate::cpu::{self, Cpu, IPI_TARGET, NMI, NMI_STOP, ThisCpu};

/// How long the CPUs have to answer the interrupt: one in the middle of something (a system call of 128 MiB) goes on
/// to the NMI. Nanoseconds.
const INTERRUPT_DEADLINE: u64 = 200_000_000;
/// How long they have to answer the NMI, which no code of the kernel holds off: this is the host's to spend.
const NMI_DEADLINE: u64 = 1_000_000_000;
/// What each CPU adds to that: hosts may have many more virtual CPUs than cores.
const NMI_DEADLINE_PER_CPU: u64 = 20_000_000;

/// The CPUs that are to stop: all that are online but the calling one.
fn others<'cpu>(this: &'cpu ThisCpu) -> impl Iterator<Item = Cpu> + use<'cpu> {
    let index = this.index();
    cpu::all().iter().copied().filter(move |block| block.index() != index && block.is_online())
}

fn running(block: Cpu) -> bool {
    STOP_RECORD.of(block).read().is_none()
}

/// Stops every other CPU and waits until each has left its record, or has had its time.
pub(super) fn stop_others(this: &ThisCpu) {
    let send = |block: Cpu, command| {
        // A CPU that cannot be told goes on, and the report says so.
        let _ = this.apic().send(command, Destination::Physical(block.apic_id()));
    };
    for block in others(this) {
        if IPI_TARGET.of(block).pending.post(Kind::Stop) {
            send(block, Command::Fixed(KernelInterrupt::OtherCpu.number()));
        }
    }
    if wait(INTERRUPT_DEADLINE, || !others(this).any(running)) {
        return;
    }
    let mut deadline = NMI_DEADLINE;
    for block in others(this).filter(|block| running(*block)) {
        NMI.of(block).request(NMI_STOP);
        send(block, Command::Nmi);
        deadline += NMI_DEADLINE_PER_CPU;
    }
    wait(deadline, || !others(this).any(running));
}

/// This CPU was asked to stop by an interrupt, which interrupted `frame`.
pub fn stopped_by_interrupt(cpu: &ThisCpu, frame: &Frame) -> ! {
    stop(cpu, Cause::Interrupt, frame)
}

/// This CPU was asked to stop by NMI, which interrupted `frame`. Takes no lock and allocates nothing.
pub fn stopped_by_nmi(cpu: &ThisCpu, frame: &Frame) -> ! {
    stop(cpu, Cause::NonMaskable, frame)
}

fn stop(cpu: &ThisCpu, cause: Cause, frame: &Frame) -> ! {
    STOP_RECORD.of(cpu).write(|| Stopped::interrupted(cpu, cause, frame));
    stop_cpu()
}
