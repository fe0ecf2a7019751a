//! The timer's interrupt: what is due on a CPU, and what comes next.

use super::per_cpu::TIMERS;
use super::timer::{changed_elsewhere, expire};
use super::timer_list::Due;
use crate::arch::ticks;
use crate::cpu::ThisCpu;
use crate::hardware_timer::{ARMED, arm, hardware_timer};
use crate::ipi::{ATTEND, PENDING_WORK};
use crate::sched::{self, Next, REQUESTS, RUN_QUEUE, SLICE_END, Worker};

/// The timer's interrupt where no entry is due, and nobody is ready for whom a slice could end: arms the timer for what comes
/// next. `false`: there is something to do, and nothing has been done.
#[inline(always)]
pub fn arm_if_nothing_due(cpu: &ThisCpu) -> bool {
    let Some(timer) = hardware_timer() else { return false };
    let now = ticks();
    let mut moment = TIMERS.of(cpu).next();
    if moment <= now {
        return false;
    }
    let slice_end = SLICE_END.of(cpu).get();
    if slice_end > now {
        moment = moment.min(slice_end);
    } else if RUN_QUEUE.of(cpu).is_empty() {
        SLICE_END.of(cpu).set(u64::MAX);
    } else {
        return false;
    }
    ARMED.of(cpu).set(moment);
    if moment != u64::MAX {
        timer.program(cpu, moment, now);
    }
    true
}

/// The timer's interrupt: drops each entry that is due and completes its action, ends the slice if that is due, and arms
/// the timer for what comes next.
pub fn timer_interrupt(cpu: &ThisCpu) -> Next {
    ARMED.of(cpu).set(u64::MAX);
    let now = ticks();
    let mut next = Next::Stay;
    if TIMERS.of(cpu).next() <= now {
        if TIMERS.of(cpu).held_until() <= now {
            next = release(cpu);
        }
        next = next.and(complete_due(cpu, now));
    }
    if SLICE_END.of(cpu).get() <= now {
        SLICE_END.of(cpu).set(u64::MAX);
        next = next.and(sched::slice_ended(cpu));
    }
    let moment = TIMERS.of(cpu).next().min(SLICE_END.of(cpu).get());
    if moment != u64::MAX {
        arm(cpu, moment);
    }
    next
}

/// Completes what is due at `now`, as much as one interrupt may do. What is left is due still, and so the timer is armed for a
/// moment that has passed.
#[inline(never)]
fn complete_due(cpu: &ThisCpu, now: u64) -> Next {
    let mut worker = Worker::new(cpu);
    let mut next = Next::Stay;
    while let Some(floor) = worker.floor() {
        let Some(due) = TIMERS.of(cpu).pop_due(now, floor) else { break };
        next = next.and(match due {
            Due::Thread(thread) => sched::deadline_reached(cpu, thread),
            Due::Timer(priority, timer) => {
                worker.spend(priority);
                expire(cpu, timer)
            }
        });
    }
    next
}

/// What was held back is due, and what others have put into this CPU's inboxes without interrupting it.
#[cold]
fn release(cpu: &ThisCpu) -> Next {
    TIMERS.of(cpu).release();
    REQUESTS.of(cpu).lower_floor();
    PENDING_WORK.of(cpu).ask(ATTEND);
    changed_elsewhere(cpu);
    sched::drain_inbox(cpu)
}
