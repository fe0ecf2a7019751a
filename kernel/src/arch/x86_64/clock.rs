//! The time-stamp counter as the kernel's clock, and how fast it and the local APIC's timer run.

use core::hint::spin_loop;

use x86_64::instructions::port::Port;

/// Nanoseconds in a second.
const SECOND: u128 = 1_000_000_000;
/// What calibration measures over: long enough for one part in a thousand, short enough not to be felt.
const INTERVAL_MICROSECONDS: u64 = 10_000;
/// Polls after which a reference clock is taken for dead. Each poll is a port access, 100 ns at the very least on
/// hardware and emulators alike, so that 10 ms fit many times over.
const POLL_LIMIT: u64 = 10_000_000;

/// The time-stamp counter.
#[must_use]
#[inline(always)]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has RDTSC; CR4.TSD does not bind ring 0.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// A clock made of the time-stamp counter. All CPUs of the machine must count in step.
#[derive(Clone, Copy, Debug)]
pub struct TscClock {
    start: u64,
    hertz: u64,
    /// Nanoseconds a tick, times 2^32.
    nanoseconds_32: u64,
    /// Ticks a nanosecond, times 2^32.
    ticks_32: u64,
}

impl TscClock {
    /// A clock that starts now.
    ///
    /// # Panics
    /// If the frequency is 0.
    #[must_use]
    pub fn new(hertz: u64) -> Self {
        assert!(hertz > 0, "a clock must tick");
        let nanoseconds_32 = ((SECOND << 32) / u128::from(hertz)) as u64;
        let ticks_32 = ((u128::from(hertz) << 32) / SECOND) as u64;
        Self { start: ticks(), hertz, nanoseconds_32, ticks_32 }
    }

    /// Ticks a second.
    #[must_use]
    pub const fn hertz(&self) -> u64 {
        self.hertz
    }

    /// The duration of so many ticks, in whole nanoseconds; saturates.
    #[must_use]
    pub const fn nanoseconds(&self, ticks: u64) -> u64 {
        let nanoseconds = (ticks as u128 * self.nanoseconds_32 as u128) >> 32;
        if nanoseconds > u64::MAX as u128 { u64::MAX } else { nanoseconds as u64 }
    }

    /// Ticks whose [`duration`](Self::nanoseconds) is at least so many nanoseconds, and hardly more; saturates. Waits that
    /// are made of it do not end early by this clock.
    #[must_use]
    pub const fn ticks_in(&self, nanoseconds: u64) -> u64 {
        let mut ticks = self.about(nanoseconds);
        loop {
            let reached = self.nanoseconds(ticks);
            if reached >= nanoseconds || ticks == u64::MAX {
                return ticks;
            }
            ticks = ticks.saturating_add(self.about(nanoseconds - reached)).saturating_add(1);
        }
    }

    /// Ticks in so many nanoseconds, rounded down, to a few parts in ten billion.
    const fn about(&self, nanoseconds: u64) -> u64 {
        let ticks = (nanoseconds as u128 * self.ticks_32 as u128) >> 32;
        if ticks > u64::MAX as u128 { u64::MAX } else { ticks as u64 }
    }

    /// The value of the time-stamp counter so many nanoseconds after the clock started; saturates.
    #[must_use]
    pub const fn moment_at(&self, nanoseconds: u64) -> u64 {
        self.start.saturating_add(self.ticks_in(nanoseconds))
    }

    /// Nanoseconds from the start of the clock to a value of the time-stamp counter; 0 for one before.
    #[must_use]
    pub const fn time_of(&self, moment: u64) -> u64 {
        self.nanoseconds(moment.saturating_sub(self.start))
    }

    /// Nanoseconds since the clock started.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.nanoseconds(ticks().wrapping_sub(self.start))
    }
}

impl smp::Clock for TscClock {
    fn now_ns(&self) -> u64 {
        self.now()
    }
}

/// The reference clock that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The ACPI power-management timer, 3.579545 MHz (ACPI specification, "Power Management Timer").
    PowerManagementTimer,
    /// Channel 2 of the interval timer, 1.193182 MHz.
    IntervalTimer,
    /// The local APIC's timer, where an emulator is known to run it at 1 GHz.
    EmulatedApicTimer,
}

/// What calibration found.
#[derive(Clone, Copy, Debug)]
pub struct Calibration {
    /// Ticks of the time-stamp counter a second.
    pub hertz: u64,
    /// What it was compared with.
    pub reference: Reference,
}

/// Measures the time-stamp counter against the power-management timer at the given port (0 if the machine has none), else
/// against the interval timer; about 10 ms. `None` if neither counts.
#[must_use]
pub fn calibrate(power_management_timer: u16) -> Option<Calibration> {
    if power_management_timer != 0
        && let Some(hertz) = by_power_management_timer(power_management_timer)
    {
        return Some(Calibration { hertz, reference: Reference::PowerManagementTimer });
    }
    by_interval_timer().map(|hertz| Calibration { hertz, reference: Reference::IntervalTimer })
}

/// Whether the machine is QEMU's emulator, whose local APIC timer counts nanoseconds.
#[must_use]
pub fn is_emulator() -> bool {
    raw_cpuid::CpuId::new().get_hypervisor_info().is_some_and(|info| info.identify() == raw_cpuid::Hypervisor::QEMU)
}

fn hertz(elapsed: u64, reference_ticks: u64, reference_hertz: u64) -> Option<u64> {
    let hertz = u128::from(elapsed) * u128::from(reference_hertz) / u128::from(reference_ticks.max(1));
    u64::try_from(hertz).ok().filter(|hertz| *hertz > 0)
}

fn by_power_management_timer(port: u16) -> Option<u64> {
    const HERTZ: u64 = 3_579_545;
    /// The counter has 24 bits on some machines, 32 on others; 24 do for 10 ms.
    const MASK: u32 = 0x00ff_ffff;
    let mut port = Port::<u32>::new(port);
    // SAFETY: the firmware's tables name the port as this timer; reading has no effect.
    let mut read = || unsafe { port.read() } & MASK;
    let wanted = (HERTZ * INTERVAL_MICROSECONDS / 1_000_000) as u32;
    let (first, start) = (read(), ticks());
    for _ in 0..POLL_LIMIT {
        let passed = read().wrapping_sub(first) & MASK;
        if passed >= wanted {
            return hertz(ticks() - start, u64::from(passed), HERTZ);
        }
        spin_loop();
    }
    None
}

fn by_interval_timer() -> Option<u64> {
    const HERTZ: u64 = 1_193_182;
    const GATE: u8 = 1;
    const SPEAKER: u8 = 2;
    const OUTPUT: u8 = 0x20;
    /// Channel 2, low then high byte, mode 0: the output rises when the count ends.
    const CHANNEL_2_ONE_SHOT: u8 = 0b1011_0000;
    let mut control = Port::<u8>::new(0x61);
    let mut mode = Port::<u8>::new(0x43);
    let mut counter = Port::<u8>::new(0x42);
    let count = (HERTZ * INTERVAL_MICROSECONDS / 1_000_000) as u16;
    let [low, high] = count.to_le_bytes();
    // SAFETY: channel 2 belongs to the speaker, which stays off; nothing else uses it.
    unsafe {
        let before = control.read() & !(GATE | SPEAKER);
        control.write(before);
        mode.write(CHANNEL_2_ONE_SHOT);
        counter.write(low);
        counter.write(high);
        control.write(before | GATE);
    }
    let start = ticks();
    // SAFETY: reading the port has no effect.
    let mut is_over = || unsafe { control.read() } & OUTPUT != 0;
    // The output falls when the count is written. One that does not is none: the machine has no such timer.
    if is_over() {
        return None;
    }
    for _ in 0..POLL_LIMIT {
        if is_over() {
            return hertz(ticks() - start, u64::from(count), HERTZ);
        }
        spin_loop();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_exact_to_a_few_parts_in_a_billion() {
        for hertz in [1_000_000_000, 2_596_000_000, 24_000_000, 5_000_000_000] {
            let clock = TscClock::new(hertz);
            for seconds in [1, 10, 3_600, 86_400] {
                let expected = seconds * 1_000_000_000;
                let error = clock.nanoseconds(seconds * hertz).abs_diff(expected);
                assert!(error <= expected / 100_000_000 + 1, "{hertz} Hz, {seconds} s: {error} ns");
                let error = clock.ticks_in(expected).abs_diff(seconds * hertz);
                assert!(error <= seconds * hertz / 10_000_000 + 1, "{hertz} Hz, {seconds} s: {error} ticks");
            }
        }
    }

    #[test]
    fn waits_are_never_shorter_than_asked() {
        for hertz in [1_000_000_000, 2_596_123_457, 24_000_000, 3, 5_000_000_000] {
            let clock = TscClock::new(hertz);
            for nanoseconds in [0, 1, 2, 3, 999, 1_000_003, 1_000_000_007, 86_400_000_000_001, 31_557_600_000_000_019] {
                let ticks = clock.ticks_in(nanoseconds);
                assert!(clock.nanoseconds(ticks) >= nanoseconds, "{hertz} Hz, {nanoseconds} ns");
                assert!(
                    ticks < 2 || clock.nanoseconds(ticks - 2) <= nanoseconds,
                    "{hertz} Hz, {nanoseconds} ns: too long"
                );
            }
        }
    }

    #[test]
    fn absurd_durations_saturate() {
        assert_eq!(TscClock::new(5_000_000_000).ticks_in(u64::MAX), u64::MAX);
    }
}
