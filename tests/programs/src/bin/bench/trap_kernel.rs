//! A trap of the kernel itself that goes back to where it came from: a single step, which has a stack of its own.

use gatehouse_runtime::abi::{SystemCall, TestHook};

use crate::plan::Plan;
use crate::timed::call;
use crate::trace;

pub(crate) const KEYS: &[&str] = &["trap_kernel"];

/// Only traced: the trap is a part of a system call.
pub(crate) fn measure(plan: &Plan<'_>) {
    if !plan.trace {
        return;
    }
    for _ in 0..plan.rounds() {
        trace::begin("trap_kernel@trap_stub_debug");
        call(SystemCall::TestHook, [TestHook::SingleStep as u64, 0, 0, 0]);
    }
}
