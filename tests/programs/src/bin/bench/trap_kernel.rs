//! A trap of the kernel itself that goes back to where it came from, by the entry that exceptions take, on the stack in use:
//! an `int` with the vector of spurious interrupts, whose handler counts it. And a single step, which has a stack of its own.

use gatehouse_runtime::abi::{SystemCall, TestHook};

use crate::plan::Plan;
use crate::timed::call;
use crate::trace;

pub(crate) const KEYS: &[&str] = &["trap_kernel", "trap_kernel_debug"];

/// Only traced: the traps are a part of a system call.
pub(crate) fn measure(plan: &Plan<'_>) {
    if !plan.trace {
        return;
    }
    for _ in 0..plan.rounds() {
        trace::begin("trap_kernel@trap_stub_spurious");
        call(SystemCall::TestHook, [TestHook::SpuriousInterrupt as u64, 0, 0, 0]);
        trace::begin("trap_kernel_debug@trap_stub_debug");
        call(SystemCall::TestHook, [TestHook::SingleStep as u64, 0, 0, 0]);
    }
}
