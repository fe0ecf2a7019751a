//! Flags that ring 3 may set survive both entry points and interrupts, and do not follow the caller into the kernel.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::SystemCall;
use gatehouse_runtime::entry;
use gatehouse_runtime::register_pattern::{
    ALIGNMENT_CHECK_FLAG, ARITHMETIC_FLAGS, Crossing, DIRECTION_FLAG, IDENTIFICATION_FLAG, NESTED_TASK_FLAG,
    RegisterPattern,
};
use programs::check;

entry!(run);

fn run(_argument: u64) -> u64 {
    let flags = [DIRECTION_FLAG, NESTED_TASK_FLAG, ALIGNMENT_CHECK_FLAG, IDENTIFICATION_FLAG, ARITHMETIC_FLAGS];
    for choice in 0..1 << flags.len() {
        let set = flags.iter().enumerate().filter(|(index, _)| choice >> index & 1 != 0);
        let set = set.fold(0, |sum, (_, flag)| sum | flag);
        for crossing in [
            Crossing::Syscall(SystemCall::Null, 0),
            Crossing::Int80(SystemCall::Null, 0),
            Crossing::Syscall(SystemCall::Yield, 0),
            Crossing::Int80(SystemCall::Sleep, 20_000),
            Crossing::Syscall(SystemCall::Sleep, 20_000),
            Crossing::Spin(20_000),
        ] {
            let mut pattern = RegisterPattern::distinct(choice);
            pattern.flags = pattern.flags & !ARITHMETIC_FLAGS | set;
            let crossed = pattern.cross(crossing);
            check!(crossed.difference().is_none(), "{crossing:?} with {set:#x} changed {:x?}", crossed.difference());
        }
    }
    0
}
