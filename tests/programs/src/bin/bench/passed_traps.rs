//! Trap instructions that the kernel answers with nothing: the thread has asked for that by PassTraps, and goes on behind them.

use gatehouse_runtime::abi::{PASS_BREAKPOINT, PASS_UNDEFINED};
use programs::check;
use programs::raw::control::pass_traps;

use crate::plan::Plan;
use crate::timed::{self, timed};

pub(crate) const KEYS: &[&str] = &["breakpoint_user", "invalid_opcode_user"];

timed!(breakpoint, "int3");
timed!(undefined, "ud2");

pub(crate) fn measure(plan: &Plan<'_>) {
    check!(pass_traps(PASS_BREAKPOINT | PASS_UNDEFINED) == Ok(0), "traps are not passed");
    timed::measure(plan, "breakpoint_user", breakpoint, 0);
    timed::measure(plan, "invalid_opcode_user", undefined, 0);
    check!(pass_traps(0) == Ok(PASS_BREAKPOINT | PASS_UNDEFINED), "traps were not passed");
}
