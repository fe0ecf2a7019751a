//! Thousands of timers of one CPU that are due at one moment: each fires once, none early, and while they do the CPU takes other
//! interrupts. To be run as the first program on two CPUs; how long those interrupts wait is told in nanoseconds, and means
//! something in counted time.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::capability::Slot;
use gatehouse_runtime::time::{MILLISECOND, SECOND};
use gatehouse_runtime::timer::Timer;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::message::first_utcb;
use programs::{check, ok};

entry!(run);

/// About as many as a program may have.
const TIMERS: usize = 4_000;
/// How long before the moment they are set, at least.
const AHEAD: u64 = 20 * MILLISECOND;

fn run(_argument: u64) -> u64 {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    check!(Kernel::move_to_cpu(1) == Ok(0), "CPU 1 cannot be reached");
    let mut timers = [const { Timer::from_slot(Slot::NONE) }; TIMERS];
    timers.fill_with(|| ok("a timer for CPU 0", Timer::create(0)));
    let due = Kernel::clock() + AHEAD;
    for timer in &timers {
        check!(timer.set_at(due) == Ok(false), "a new timer is set");
    }
    let in_time = Kernel::clock() < due;
    // Across the moment, until the last one has fired.
    let mut longest = 0;
    let end = due + 20 * SECOND;
    while timers.iter().rev().any(|timer| timer.count() == Ok(0)) {
        let start = Kernel::clock();
        check!(start < end, "a timer does not fire");
        check!(Kernel::ping_cpu(0).is_ok(), "CPU 0 does not answer");
        longest = longest.max(Kernel::clock() - start);
    }
    for (number, timer) in timers.iter().enumerate() {
        let firings = ok("ReadTimer", timer.firings(&utcb));
        check!(firings.count == 1, "timer {number} has fired {} times", firings.count);
        check!(firings.fired >= due, "timer {number} fired {} ns early", due - firings.fired);
    }
    println!(
        "timer_burst: {TIMERS} timers of one moment fired, {}; the longest wait for an interrupt {longest} ns",
        if in_time { "all set before" } else { "some set after" }
    );
    programs::finish(0)
}
