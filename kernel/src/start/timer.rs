//! How fast the time-stamp counter and the local APIC's timer run.

use smp::local_apic::{LocalApic, TimerMode, has_tsc_deadline};

use crate::arch::ticks;
use crate::arch::x86_64::{Calibration, Comparison, Reference, calibrate, is_emulator, vectors};
use crate::time::{HardwareTimer, Rate};

/// What the measurement counts down from: 10 ms at 1 GHz, 100 ms at 100 MHz.
const COUNT: u32 = 10_000_000;
/// Clock ticks after which a timer that has not fired does not work: seconds on every machine.
const PATIENCE: u64 = 10_000_000_000;
/// QEMU's local APIC timer, divided by 1.
const EMULATED_HERTZ: u64 = 1_000_000_000;

/// Measures the time-stamp counter and the local APIC's timer. The calling CPU's local APIC is enabled and interrupts are
/// off. To be called once: the interrupt that the measurement raises stays pending until interrupts are enabled.
///
/// A measurement that is disturbed makes the timer seem slow, and interrupts early; they arm the timer again.
///
/// # Panics
/// If the machine has no timer to compare the counter with, or the local APIC's does not fire.
pub(super) fn measure(apic: &LocalApic, power_management_timer: u16) -> (Calibration, HardwareTimer) {
    let (begin, end) = count_down(apic);
    let elapsed = (end.1 - begin.0).max(1);
    let calibration = calibrate(power_management_timer).unwrap_or_else(|| {
        assert!(is_emulator(), "cannot start: neither the power-management timer nor the interval timer counts");
        let compared = Comparison { begin, end, reference_ticks: u64::from(COUNT), reference_hertz: EMULATED_HERTZ };
        compared.result(Reference::EmulatedApicTimer).unwrap_or_else(|| panic!("cannot start: no clock counts"))
    });
    let timer = if has_tsc_deadline() {
        HardwareTimer::Deadline
    } else {
        HardwareTimer::CountDown(Rate::new(((u128::from(COUNT) << 32) / u128::from(elapsed)) as u64))
    };
    (calibration, timer)
}

/// The clock around the start and around the end of [`COUNT`] ticks of the timer, which is when its interrupt becomes pending.
/// The current count is never read: reading it stops some emulators.
fn count_down(apic: &LocalApic) -> ((u64, u64), (u64, u64)) {
    apic.set_timer(TimerMode::OneShot { vector: vectors::TIMER_VECTOR });
    let start = ticks();
    apic.arm_one_shot(COUNT);
    let begin = (start, ticks());
    let mut running = begin.1;
    while !apic.request_pending(vectors::TIMER) {
        running = ticks();
        assert!(running - start < PATIENCE, "cannot start: the local APIC's timer does not fire");
        core::hint::spin_loop();
    }
    (begin, (running, ticks()))
}
