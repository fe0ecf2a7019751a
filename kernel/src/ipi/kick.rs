//! Making another CPU look.

use smp::icr::{Command, Destination};
use smp::ipi::Kind;
use smp::local_apic::SendError;

use crate::arch::KernelInterrupt;
use crate::cpu::{Cpu, IPI_TARGET, ThisCpu};

/// Tells `target` why it is wanted, by an interrupt unless one is under way already.
#[inline]
pub fn kick(cpu: &ThisCpu, target: Cpu, kind: Kind) {
    let way = IPI_TARGET.of(target);
    if !way.pending.post(kind) {
        return;
    }
    let sent = cpu.apic().send(Command::Fixed(KernelInterrupt::OtherCpu.number()), Destination::Physical(way.apic_id));
    if let Err(error) = sent {
        refused(target, error);
    }
}

#[cold]
fn refused(target: Cpu, error: SendError) -> ! {
    panic!("no interrupt can be sent to CPU {}: {error}", target.index())
}
