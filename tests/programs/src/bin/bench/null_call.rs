//! The system call that does nothing, by both entry points.

use gatehouse_runtime::abi::SystemCall;

use crate::plan::Plan;
use crate::timed::{self, timed};

pub(crate) const KEYS: &[&str] = &["syscall_null", "int80_null"];

timed!(syscall, "syscall");
timed!(int80, "int 0x80");

pub(crate) fn measure(plan: &Plan<'_>) {
    timed::measure(plan, "syscall_null", syscall, SystemCall::Null as u64);
    timed::measure(plan, "int80_null", int80, SystemCall::Null as u64);
}
