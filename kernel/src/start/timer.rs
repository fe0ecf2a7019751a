//! How fast the time-stamp counter and the local APIC's timer run.

use gatehouse_core::time::clock_rate::{Comparison, GOOD_PPM};
use smp::local_apic::{LocalApic, TimerMode, Vector, has_tsc_deadline};

use crate::arch::{Calibration, KernelInterrupt, calibrate, is_emulator, ticks};
use crate::hardware_timer::{HardwareTimer, Rate};

/// What the measurement counts down from: 10 ms at 1 GHz, 100 ms at 100 MHz.
const COUNT: u32 = 10_000_000;
/// Clock ticks after which a timer that has not fired does not work: seconds on every machine.
const PATIENCE: u64 = 10_000_000_000;
/// QEMU's local APIC timer, divided by 1.
const EMULATED_HERTZ: u64 = 1_000_000_000;

/// Measures the time-stamp counter and the local APIC's timer. The calling CPU's local APIC is enabled and interrupts are
/// off. To be called once: the interrupts that the measurement raises stay pending until interrupts are enabled.
///
/// A measurement of the local APIC's timer that is disturbed makes it seem slow, and interrupts early; they arm the timer again.
///
/// # Panics
/// If the machine has nothing to compare the counter with, the comparisons leave its rate open, or the local APIC's timer does not
/// fire.
pub(super) fn measure(apic: &LocalApic, power_management_timer: u16) -> (Calibration, HardwareTimer) {
    let first = count_down(apic, KernelInterrupt::Timer.vector());
    let is_good = first.range().is_some_and(|range| range.width_ppm() <= GOOD_PPM);
    let elapsed = (first.end.1 - first.begin.0).max(1);
    // A vector that has become pending tells nothing a second time. An interrupt of the other CPUs with nothing to do is one that
    // nobody minds.
    let mut tries = 0;
    let emulated = || {
        tries += 1;
        match tries {
            _ if !is_emulator() => None,
            1 => Some(first),
            2 if !is_good => Some(count_down(apic, KernelInterrupt::OtherCpu.vector())),
            _ => None,
        }
    };
    let calibration = calibrate(power_management_timer, emulated).unwrap_or_else(|why| panic!("cannot start: {why}"));
    let timer = if has_tsc_deadline() {
        HardwareTimer::Deadline
    } else {
        HardwareTimer::CountDown(Rate::new(((u128::from(COUNT) << 32) / u128::from(elapsed)) as u64))
    };
    (calibration, timer)
}

/// Compares with [`COUNT`] ticks of the timer, at whose end its interrupt, with this vector, becomes pending. The current count is
/// never read: reading it stops some emulators.
fn count_down(apic: &LocalApic, vector: Vector) -> Comparison {
    apic.set_timer(TimerMode::OneShot { vector });
    let start = ticks();
    apic.arm_one_shot(COUNT);
    let begin = (start, ticks());
    let mut running = begin.1;
    while !apic.request_pending(vector.get()) {
        running = ticks();
        assert!(running - start < PATIENCE, "cannot start: the local APIC's timer does not fire");
        core::hint::spin_loop();
    }
    let end = (running, ticks());
    Comparison { begin, end, reference_ticks: u64::from(COUNT), reference_hertz: EMULATED_HERTZ }
}
