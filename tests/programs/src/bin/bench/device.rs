//! A device's interrupt, up to the driver in ring 3, a more urgent thread of another program; and the driver's acknowledgement. The
//! device is the real-time clock, whose line is an edge.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{DEFAULT_PRIORITY, SLOT_FIRST_FREE, SystemCall, rights};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use programs::check;
use programs::raw::control::{kill_program, set_priority};
use programs::raw::device::{acknowledge_interrupt, bind_interrupt, unbind_interrupt};
use programs::raw::message::{copy_capability, first_utcb, resume_thread, spawn_suspended};
use programs::raw::notification::{poll, wait_for};
use programs::real_time_clock::RealTimeClock;

use crate::client::{self, DRIVE};
use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::timed::{call, call_user_ticks};
use crate::trace;

pub(crate) const KEYS: &[&str] = &["device_to_user", "device_acknowledge"];

/// Looks at the count of interrupts: more than fit between two of them.
const TURNS: u32 = 1_000_000;

/// Waits for an interrupt. There is one only, so that none comes before it is acknowledged.
fn wait(clock: RealTimeClock) {
    clock.start();
    let bits = wait_for(clock.notification, u64::MAX);
    check!(bits.is_ok(), "no interrupt: {bits:?}");
    clock.stop();
    clock.clear();
}

pub(crate) fn measure(plan: &Plan<'_>) {
    let clock = RealTimeClock::create();
    let RealTimeClock { interrupt, notification, .. } = clock;
    check!(bind_interrupt(interrupt, notification) == Ok(0), "not bound");
    acknowledge(plan, clock);
    if plan.trace {
        interrupt_driver(plan, clock);
    }
    check!(unbind_interrupt(interrupt) == Ok(0), "not unbound");
    let _left = poll(notification);
}

/// This program is the driver itself.
fn acknowledge(plan: &Plan<'_>, clock: RealTimeClock) {
    let mut samples = Samples::new();
    for round in 0..WARM_UP + plan.rounds() {
        wait(clock);
        let marked = plan.trace && round >= WARM_UP;
        if marked {
            trace::begin("device_acknowledge");
        }
        let ticks = call(SystemCall::AcknowledgeInterrupt, [clock.interrupt, 0, 0, 0]);
        if marked {
            trace::end();
        }
        if round >= WARM_UP {
            samples.push(ticks);
        }
    }
    if !plan.trace {
        samples.record("device_acknowledge", call_user_ticks(), 1);
    }
}

/// The driver is another program. Only traced: the moment of the interrupt is nobody's to stamp.
fn interrupt_driver(plan: &Plan<'_>, clock: RealTimeClock) {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let driver = spawn_suspended("bench", client::argument(DRIVE, 0), Kernel::cpu_number(), &utcb);
    let Ok(driver) = driver else { programs::wrong(file!(), format_args!("no driver: {driver:?}")) };
    for (expected, slot) in (SLOT_FIRST_FREE..).zip([clock.ports, clock.interrupt, clock.notification]) {
        let given = copy_capability(slot, rights::ALL, 0, driver.program);
        check!(given == Ok(expected), "the driver's slot {expected}: {given:?}");
    }
    check!(set_priority(driver.thread, DEFAULT_PRIORITY + 1) == Ok(0), "the driver is not more urgent");
    check!(resume_thread(driver.thread).is_ok(), "the driver does not start");
    for _ in 0..plan.rounds() {
        // A slice begins, and does not end at once: as on a CPU where more than one thread has something to do.
        let helper = Thread::spawn(|_| 0, 0, Kernel::cpu_number());
        check!(helper.is_ok_and(|helper| helper.join(SECOND) == Some(0)), "the helper does not end");
        trace::begin("device_to_user@trap_stub_device");
        // It comes in here, and the driver has done with it before this goes on.
        let before = interrupts();
        let came = (0..TURNS).any(|_| interrupts() > before);
        check!(came, "no interrupt");
    }
    check!(kill_program(driver.program) == Ok(0), "the driver cannot be ended");
    let end = Kernel::wait_program(SECOND);
    check!(end.is_ok_and(|end| end.is_some()), "the driver does not end");
}

fn interrupts() -> u64 {
    Kernel::cpu_information(Kernel::cpu_number()).map_or(0, |information| information.device)
}

/// Handles interrupts for ever.
pub(crate) fn drive() {
    let [ports, interrupt, notification] = [0, 1, 2].map(|slot| SLOT_FIRST_FREE + slot);
    let clock = RealTimeClock { ports, interrupt, notification };
    loop {
        wait(clock);
        check!(acknowledge_interrupt(interrupt) == Ok(0), "not acknowledged");
    }
}
