//! Every way through the kernel that comes back.

use gatehouse_runtime::abi::SystemCall;
use gatehouse_runtime::register_pattern::{Crossing, RegisterPattern};

use crate::check;
use crate::check::cpus;

/// Makes calls by both entry points, gives the CPU away, sleeps, is interrupted and moves to the next CPU and on.
/// Checks that the registers come back.
pub fn use_everything() {
    let cpus = cpus();
    let here = gatehouse_runtime::Kernel::cpu_number();
    let crossings = [
        Crossing::Syscall(SystemCall::Null, 0),
        Crossing::Int80(SystemCall::Null, 0),
        Crossing::Syscall(SystemCall::Yield, 0),
        Crossing::Int80(SystemCall::Yield, 0),
        Crossing::Syscall(SystemCall::Sleep, 30_000),
        Crossing::Int80(SystemCall::Sleep, 30_000),
        Crossing::Spin(5_000),
        Crossing::Syscall(SystemCall::MoveToCpu, (here + 1) % cpus),
        Crossing::Spin(5_000),
        Crossing::Int80(SystemCall::MoveToCpu, here),
    ];
    for (seed, crossing) in crossings.into_iter().enumerate() {
        let crossed = RegisterPattern::distinct(seed as u64).cross(crossing);
        check!(crossed.difference().is_none(), "{crossing:?} changed {:x?}", crossed.difference());
    }
}
