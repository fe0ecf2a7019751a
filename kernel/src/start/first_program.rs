//! The first program: the only one that the kernel starts by itself.

use gatehouse_abi::{EndCause, ProgramEnd, SLOT_DEVICE_CONTROL};
use gatehouse_core::capability::{Capability, Destination, Rights, Slot};
use percpu::CpuIndex;

use crate::arch::ExitStatus;
use crate::console;
use crate::cpu::{self, ThisCpu};
use crate::life::{Start, spawn_program, when_first_ends};
use crate::lockdown;
use crate::object::{AnyObject, DeviceControl, FOREST};

/// Starts the program of this name on the first CPU.
///
/// # Panics
/// If there is no such program, or it is broken: there is nothing else to do.
pub(super) fn start(cpu: &ThisCpu, name: &str) {
    when_first_ends(first_program_ended);
    let first = Start { name, argument: 0, cpu: CpuIndex::BOOT, migratable: false, quiet: false, suspended: false };
    match spawn_program(cpu, None, &first) {
        // The boot path enters the scheduler next, whatever the answer.
        Ok((program, _next)) => {
            let control = Capability { object: AnyObject::new(DeviceControl), rights: Rights::ALL, badge: 0 };
            let place = Slot::new(SLOT_DEVICE_CONTROL).map_or(Destination::AnyFree, Destination::At);
            if let Err(error) = FOREST.insert(program.capabilities(), place, control) {
                panic!("cannot start the first program, {name}: {error}");
            }
        }
        Err(error) => panic!("cannot start the first program, {name}: {error}"),
    }
}

/// The first program has ended: so does the machine.
fn first_program_ended(end: &ProgramEnd) -> ! {
    let passed = end.cause == EndCause::Exited as u64 && end.status == 0;
    if !passed {
        console::line(format_args!("the first program failed: {end}"));
    }
    lockdown::finish(&cpu::this(), if passed { ExitStatus::Pass } else { ExitStatus::Fail })
}
