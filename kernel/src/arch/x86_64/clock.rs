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
    /// How far that may be off, in parts per million, if the reference is right: what reading the two clocks one after the
    /// other leaves open.
    pub error_ppm: u64,
    /// What it was compared with.
    pub reference: Reference,
}

/// Two clocks compared over an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Ticks of the time-stamp counter right before and right after the reference was read first.
    pub begin: (u64, u64),
    /// The same for the last reading.
    pub end: (u64, u64),
    /// Ticks of the reference in between, each end within one tick.
    pub reference_ticks: u64,
    /// Ticks of the reference a second.
    pub reference_hertz: u64,
}

impl Comparison {
    /// What follows for the time-stamp counter; `None` for clocks that stood still.
    #[must_use]
    pub fn result(&self, reference: Reference) -> Option<Calibration> {
        let middle = |(before, after): (u64, u64)| before + (after - before) / 2;
        let elapsed = middle(self.end).checked_sub(middle(self.begin)).filter(|elapsed| *elapsed > 0)?;
        let ticks = u128::from(self.reference_ticks);
        if ticks == 0 {
            return None;
        }
        let hertz = u128::from(elapsed) * u128::from(self.reference_hertz) / ticks;
        let width = |(before, after): (u64, u64)| (after - before).div_ceil(2);
        let open = u128::from(width(self.begin) + width(self.end));
        let error_ppm = open * 1_000_000 / u128::from(elapsed) + 1_000_000 / ticks + 1;
        let hertz = u64::try_from(hertz).ok().filter(|hertz| *hertz > 0)?;
        Some(Calibration { hertz, error_ppm: u64::try_from(error_ppm).unwrap_or(u64::MAX), reference })
    }
}

/// An error that calls for another try: a host that stops a virtual CPU between two readings.
const GOOD_PPM: u64 = 500;
/// Tries before the best is taken as it is.
const TRIES: u32 = 4;

/// Measures the time-stamp counter against the power-management timer at the given port (0 if the machine has none), else
/// against the interval timer; about 10 ms, and up to four times as long where the readings are disturbed. `None` if neither
/// counts.
#[must_use]
pub fn calibrate(power_management_timer: u16) -> Option<Calibration> {
    let by_power_management = || {
        let comparison = (power_management_timer != 0).then(|| by_power_management_timer(power_management_timer));
        comparison.flatten()?.result(Reference::PowerManagementTimer)
    };
    best(by_power_management).or_else(|| best(|| by_interval_timer()?.result(Reference::IntervalTimer)))
}

/// The best of some tries; the first that is good, or that fails, is the last.
pub fn best(mut measure: impl FnMut() -> Option<Calibration>) -> Option<Calibration> {
    let mut found: Option<Calibration> = None;
    for _ in 0..TRIES {
        let Some(next) = measure() else { break };
        if found.is_none_or(|best| next.error_ppm < best.error_ppm) {
            found = Some(next);
        }
        if next.error_ppm <= GOOD_PPM {
            break;
        }
    }
    found
}

/// Whether the machine is QEMU's emulator, whose local APIC timer counts nanoseconds.
#[must_use]
pub fn is_emulator() -> bool {
    raw_cpuid::CpuId::new().get_hypervisor_info().is_some_and(|info| info.identify() == raw_cpuid::Hypervisor::QEMU)
}

/// Reads something between two readings of the time-stamp counter.
fn between<T>(read: impl FnOnce() -> T) -> (T, (u64, u64)) {
    let before = ticks();
    let value = read();
    (value, (before, ticks()))
}

fn by_power_management_timer(port: u16) -> Option<Comparison> {
    const HERTZ: u64 = 3_579_545;
    /// The counter has 24 bits on some machines, 32 on others; 24 do for 10 ms.
    const MASK: u32 = 0x00ff_ffff;
    let mut port = Port::<u32>::new(port);
    // SAFETY: the firmware's tables name the port as this timer; reading has no effect.
    let mut read = || unsafe { port.read() } & MASK;
    let wanted = (HERTZ * INTERVAL_MICROSECONDS / 1_000_000) as u32;
    let (first, begin) = between(&mut read);
    for _ in 0..POLL_LIMIT {
        let (now, end) = between(&mut read);
        let passed = now.wrapping_sub(first) & MASK;
        if passed >= wanted {
            return Some(Comparison { begin, end, reference_ticks: u64::from(passed), reference_hertz: HERTZ });
        }
        spin_loop();
    }
    None
}

fn by_interval_timer() -> Option<Comparison> {
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
    let before = unsafe {
        let before = control.read() & !(GATE | SPEAKER);
        control.write(before);
        mode.write(CHANNEL_2_ONE_SHOT);
        counter.write(low);
        counter.write(high);
        before
    };
    // SAFETY: as above; this starts the count.
    let ((), begin) = between(|| unsafe { control.write(before | GATE) });
    // SAFETY: reading the port has no effect.
    let mut is_over = || unsafe { control.read() } & OUTPUT != 0;
    // The output falls when the count is written. One that does not is none: the machine has no such timer.
    if is_over() {
        return None;
    }
    // The end lies between the last look that did not find it and the one that did.
    let mut running = begin.1;
    for _ in 0..POLL_LIMIT {
        let (over, look) = between(&mut is_over);
        if over {
            let end = (running, look.1);
            return Some(Comparison { begin, end, reference_ticks: u64::from(count), reference_hertz: HERTZ });
        }
        running = look.0;
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

    fn comparison(begin: (u64, u64), end: (u64, u64)) -> Comparison {
        Comparison { begin, end, reference_ticks: 1_000, reference_hertz: 1_000_000 }
    }

    #[test]
    fn a_comparison_tells_the_rate_and_what_is_left_open() {
        // 1 ms in 2,000,000 ticks; 200 ticks open at each end are 100 ppm, the reference's own tick 1000.
        let found = comparison((900, 1_100), (2_000_900, 2_001_100)).result(Reference::IntervalTimer);
        let found = found.expect("both clocks moved");
        assert_eq!((found.hertz, found.error_ppm), (2_000_000_000, 100 + 1_000 + 1));
        assert!(comparison((5, 5), (5, 5)).result(Reference::IntervalTimer).is_none());
        assert!(
            Comparison { reference_ticks: 0, ..comparison((0, 0), (9, 9)) }.result(Reference::IntervalTimer).is_none()
        );
    }

    #[test]
    fn the_best_of_disturbed_tries_is_taken() {
        let try_with = |errors: &[u64]| {
            let mut errors = errors.iter();
            let measure = || {
                let error_ppm = *errors.next()?;
                Some(Calibration { hertz: error_ppm + 1, error_ppm, reference: Reference::IntervalTimer })
            };
            best(measure).map(|found| found.error_ppm)
        };
        assert_eq!(try_with(&[]), None);
        assert_eq!(try_with(&[400, 1]), Some(400));
        assert_eq!(try_with(&[9_000, 700, 800, 5_000, 1]), Some(700));
        assert_eq!(try_with(&[9_000]), Some(9_000));
    }

    #[test]
    fn absurd_durations_saturate() {
        assert_eq!(TscClock::new(5_000_000_000).ticks_in(u64::MAX), u64::MAX);
    }
}
