//! The call by which tests ask for failures of the kernel. Who serves it says so at the start: it is no part of the calls.

use gatehouse_abi::Error;
use spin::Once;

use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::sched::Next;

/// Handles the call that is in the frame of the running thread.
pub type TestHooks = fn(&ThisCpu, &mut Frame) -> Next;

static TEST_HOOKS: Once<TestHooks> = Once::new();

/// Says who serves the call; once.
pub fn set_test_hooks(hooks: TestHooks) {
    TEST_HOOKS.call_once(|| hooks);
}

pub(super) fn run(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    if let Some(hooks) = TEST_HOOKS.get() {
        return hooks(cpu, frame);
    }
    frame.set_system_call_result(Error::NotPermitted.to_register());
    Next::Stay
}
