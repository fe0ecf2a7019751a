//! What this program does in the processes that it starts: its argument is a role in bits 0..=7, and a number above.

use gatehouse_runtime::Kernel;

use crate::{call, context_switch, device, fault_ipc, notification, throughput};

/// Faults for ever.
pub(crate) const FAULT: u64 = 1;
/// Calls for ever.
pub(crate) const CALL: u64 = 2;
/// Yields as often as the number says.
pub(crate) const YIELD: u64 = 3;
/// The same, having used the floating-point unit.
pub(crate) const YIELD_FPU: u64 = 4;
/// Handles faults.
pub(crate) const HANDLE: u64 = 5;
/// Waits for signals.
pub(crate) const WAIT: u64 = 6;
/// Faults as often as the number says, and answers how long it took.
pub(crate) const FAULT_OFTEN: u64 = 7;
/// Shares a page between as many threads as the number says, and answers how long it took.
pub(crate) const SHARE_PAGE: u64 = 8;

/// Drives a device.
pub(crate) const DRIVE: u64 = 9;

const ROLE_BITS: u64 = 8;

/// An argument.
pub(crate) const fn argument(role: u64, number: u64) -> u64 {
    role | number << ROLE_BITS
}

/// Plays the role.
pub(crate) fn run(argument: u64) -> u64 {
    match argument & ((1 << ROLE_BITS) - 1) {
        FAULT => fault_ipc::fault_for_ever(),
        CALL => call::call_for_ever(),
        YIELD => context_switch::yield_often(argument >> ROLE_BITS),
        YIELD_FPU => {
            context_switch::use_fpu();
            context_switch::yield_often(argument >> ROLE_BITS);
        }
        HANDLE => fault_ipc::handle_some(),
        WAIT => notification::wait_for_ever(),
        DRIVE => device::drive(),
        FAULT_OFTEN => return throughput::fault_often(argument >> ROLE_BITS),
        SHARE_PAGE => return throughput::share_for_a_while(argument >> ROLE_BITS),
        _ => Kernel::exit_program(programs::WRONG),
    }
    0
}

/// The CPU that measures, and another one if there is one.
pub(crate) fn cpus() -> (u64, Option<u64>) {
    let here = Kernel::cpu_number();
    let count = programs::cpus();
    (here, (count > 1).then(|| (here + 1) % count))
}
