//! Setting a timer, and clearing it before it fires.

use gatehouse_runtime::abi::{ANY_CPU, SystemCall, TIMER_RELATIVE};
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::timer::Timer;
use programs::check;

use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::timed::{call, call_user_ticks};
use crate::trace;

pub(crate) const KEYS: &[&str] = &["timer_set", "timer_cancel"];

pub(crate) fn measure(plan: &Plan<'_>) {
    let timer = Timer::create(ANY_CPU);
    check!(timer.is_ok(), "{timer:?}");
    let Ok(timer) = timer else { return };
    let (mut set, mut cancel) = (Samples::new(), Samples::new());
    for round in 0..WARM_UP + plan.rounds() {
        let marked = plan.trace && round >= WARM_UP;
        if marked {
            trace::begin("timer_set,timer_cancel");
        }
        let set_ticks = call(SystemCall::SetTimer, [timer.slot().number(), 1000 * SECOND, TIMER_RELATIVE, 0]);
        let cancel_ticks = call(SystemCall::CancelTimer, [timer.slot().number(), 0, 0, 0]);
        if marked {
            trace::end();
        }
        if round >= WARM_UP {
            set.push(set_ticks);
            cancel.push(cancel_ticks);
        }
    }
    if !plan.trace {
        set.record("timer_set", call_user_ticks(), 1);
        cancel.record("timer_cancel", call_user_ticks(), 1);
    }
}
