//! An interrupt to another CPU and its answer, as PingCpu measures it; and the whole of PingCpu on both CPUs.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::SystemCall;

use programs::check;

use crate::client;
use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::timed::call;
use crate::trace;

pub(crate) const KEYS: &[&str] = &["ipi_round_trip", "ping_cpu"];

pub(crate) fn measure(plan: &Plan<'_>) {
    let (_, Some(other)) = client::cpus() else { return };
    let mut samples = Samples::new();
    for round in 0..WARM_UP + plan.rounds() {
        if plan.trace && round >= WARM_UP {
            trace::begin("ping_cpu*");
            call(SystemCall::PingCpu, [other, 0, 0, 0]);
            trace::end();
            continue;
        }
        let ticks = Kernel::ping_cpu(other);
        check!(ticks.is_ok(), "CPU {other} does not answer: {ticks:?}");
        if let Ok(ticks) = ticks
            && round >= WARM_UP
        {
            samples.push(ticks);
        }
    }
    if !plan.trace {
        // The stamps are the kernel's own, one instruction of which is in the sample.
        samples.record("ipi_round_trip", 1, 1);
    }
}
