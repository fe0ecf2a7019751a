//! What the rate of the time-stamp counter is found by: clocks of known rates, and what processor or hypervisor say.

use core::fmt;

use gatehouse_core::time::clock_rate::{
    Comparison, POLL_LIMIT, REFUSED_PPM, RateRange, TOLD_PPM, compare, narrow, weigh,
};
use x86_64::instructions::port::Port;

use super::clock::ticks;

/// What one comparison lasts: long enough for one part in a thousand, short enough not to be felt.
const INTERVAL_MICROSECONDS: u64 = 10_000;
/// How far a rate that processor or hypervisor tell may be off: a crystal's error, and what they round.
const TOLD_ERROR_PPM: u64 = 1_000;

/// What the rate was found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The ACPI power-management timer, 3.579545 MHz (ACPI specification, "Power Management Timer").
    PowerManagementTimer,
    /// Channel 2 of the interval timer, 1.193182 MHz.
    IntervalTimer,
    /// The local APIC's timer, where an emulator is known to run it at 1 GHz.
    EmulatedApicTimer,
    /// CPUID leaf 0x15, which tells the rate (Intel SDM volume 3, "Determining the Processor Base Frequency").
    Processor,
    /// CPUID leaf 0x40000010 of the hypervisor.
    Hypervisor,
}

/// What calibration found.
#[derive(Clone, Copy, Debug)]
pub struct Calibration {
    /// Ticks of the time-stamp counter a second, at most: the true rate is this one, or lower by `error_ppm` parts per million at most,
    /// if the reference is right.
    pub hertz: u64,
    /// See there.
    pub error_ppm: u64,
    /// What the range comes from.
    pub reference: Reference,
    /// Another source that says something else, and the lowest and the highest rate that it allows.
    pub contradicting: Option<(Reference, RateRange)>,
}

impl Calibration {
    /// Whether the rate is so uncertain that people should know.
    #[must_use]
    pub const fn is_doubtful(&self) -> bool {
        self.contradicting.is_some() || self.error_ppm > TOLD_PPM
    }
}

/// What people should know of a doubtful rate.
impl fmt::Display for Calibration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "clock: {:?} leaves {} ppm open", self.reference, self.error_ppm)?;
        if let Some((other, range)) = self.contradicting {
            write!(out, "; {other:?} says {} to {} kHz", range.low / 1_000, range.high / 1_000)?;
        }
        write!(out, "; the highest rate is believed: times are late by that, and never early")
    }
}

/// Finds the rate of the time-stamp counter: by the power-management timer at the given port (0 if the machine has none) and the
/// interval timer, some 20 ms each, and more where the readings are disturbed; else by what processor or hypervisor tell; else by
/// `emulated`, which compares with the timer of an emulator that is known.
///
/// # Errors
/// Nothing tells the rate, or what does leaves more than [`REFUSED_PPM`] open: the words for that.
pub fn calibrate(
    power_management_timer: u16,
    emulated: impl FnMut() -> Option<Comparison>,
) -> Result<Calibration, &'static str> {
    let by_port = (power_management_timer != 0).then(|| narrow(|| by_power_management_timer(power_management_timer)));
    let mut sources =
        [(Reference::PowerManagementTimer, by_port.flatten()), (Reference::IntervalTimer, narrow(by_interval_timer))];
    let told = told_rate();
    if sources.iter().all(|(_, range)| range.is_none()) {
        let last = || Some((Reference::EmulatedApicTimer, narrow(emulated)?));
        let (reference, range) = told.or_else(last).ok_or("no clock counts, and nothing tells a rate")?;
        sources[0] = (reference, Some(range));
    } else if let Some((reference, range)) = told
        && sources.iter().any(|(_, range)| range.is_none())
    {
        // The second opinion that is missing.
        if sources[0].1.is_none() {
            sources.swap(0, 1);
        }
        sources[1] = (reference, Some(range));
    }
    choose(sources)
}

/// Weighs what two sources say; at least one does.
fn choose(sources: [(Reference, Option<RateRange>); 2]) -> Result<Calibration, &'static str> {
    let [(first, first_range), (second, second_range)] = sources;
    let belief = weigh(first_range, second_range).ok_or("no clock counts")?;
    let by_second = second_range.is_some_and(|range| range.high == belief.range.high) && first_range != second_range;
    let (reference, other) = if by_second { (second, (first, first_range)) } else { (first, (second, second_range)) };
    let contradicting = if belief.disputed { other.1.map(|range| (other.0, range)) } else { None };
    // Of two that contradict each other the higher one is believed, and what it leaves open is its own.
    let own = if by_second { second_range } else { first_range };
    let error_ppm = own.unwrap_or(belief.range).width_ppm();
    if error_ppm > REFUSED_PPM {
        return Err("the host disturbs every comparison of the clocks: the rate is not known");
    }
    Ok(Calibration { hertz: belief.range.high, error_ppm, reference, contradicting })
}

/// Whether the machine is QEMU's emulator, whose local APIC timer counts nanoseconds.
#[must_use]
pub fn is_emulator() -> bool {
    raw_cpuid::CpuId::new().get_hypervisor_info().is_some_and(|info| info.identify() == raw_cpuid::Hypervisor::QEMU)
}

/// What processor or hypervisor tell, if they do. The leaves are looked at only where the highest leaf says that they are there: above
/// it some processors answer with another leaf's data.
fn told_rate() -> Option<(Reference, RateRange)> {
    let cpuid = raw_cpuid::CpuId::new();
    let by_hypervisor = || Some(u64::from(cpuid.get_hypervisor_info()?.tsc_frequency()?) * 1_000);
    let by_processor = || cpuid.get_tsc_info()?.tsc_frequency();
    let (reference, hertz) = by_hypervisor()
        .map(|hertz| (Reference::Hypervisor, hertz))
        .or_else(|| by_processor().map(|hertz| (Reference::Processor, hertz)))?;
    (hertz > 0).then(|| (reference, RateRange::around(hertz, TOLD_ERROR_PPM)))
}

/// Reads something between two readings of the time-stamp counter.
fn between<T>(read: impl FnOnce() -> T) -> (T, (u64, u64)) {
    let before = ticks();
    let value = read();
    (value, (before, ticks()))
}

/// What the comparison is to last, in ticks of a reference.
const fn wanted(hertz: u64) -> u64 {
    hertz * INTERVAL_MICROSECONDS / 1_000_000
}

fn by_power_management_timer(port: u16) -> Option<Comparison> {
    const HERTZ: u64 = 3_579_545;
    /// The counter has 24 bits on some machines, 32 on others; 24 do for seconds.
    const MASK: u64 = 0x00ff_ffff;
    let mut port = Port::<u32>::new(port);
    // SAFETY: the firmware's tables name the port as this timer; reading has no effect.
    let read = || Some(between(|| u64::from(unsafe { port.read() })));
    compare(read, |first, now| now.wrapping_sub(first) & MASK, wanted(HERTZ), HERTZ)
}

/// Channel 2 counts down from 65536, once, and its count is read meanwhile: however long the host stops the CPU between two readings,
/// each holds.
fn by_interval_timer() -> Option<Comparison> {
    const HERTZ: u64 = 1_193_182;
    const CONTROL: u16 = 0x61;
    const GATE: u8 = 1;
    const SPEAKER: u8 = 2;
    /// Channel 2, low then high byte, mode 0: the output rises when the count ends.
    const CHANNEL_2_ONE_SHOT: u8 = 0b1011_0000;
    /// Latches count and status of channel 2 (Intel 8254, "Read-Back Command").
    const LATCH_CHANNEL_2: u8 = 0b1100_1000;
    /// The status: the output, a count that is not loaded yet, and how the channel was set up.
    const OUTPUT: u8 = 1 << 7;
    const NOT_LOADED: u8 = 1 << 6;
    const SET_UP: u8 = CHANNEL_2_ONE_SHOT & 0b0011_1111;
    let mut control = Port::<u8>::new(CONTROL);
    let mut mode = Port::<u8>::new(0x43);
    let mut counter = Port::<u8>::new(0x42);
    // SAFETY: channel 2 belongs to the speaker, which stays off; nothing else uses it.
    unsafe {
        let closed = control.read() & !(GATE | SPEAKER);
        control.write(closed);
        mode.write(CHANNEL_2_ONE_SHOT);
        counter.write(0);
        counter.write(0);
        control.write(closed | GATE);
    }
    let mut latch = || {
        // SAFETY: channel 2, which nothing else uses; after the command the next three bytes are its status and its count.
        unsafe {
            mode.write(LATCH_CHANNEL_2);
            (counter.read(), u16::from_le_bytes([counter.read(), counter.read()]))
        }
    };
    // A machine without the timer answers with other bits. Once the output has risen the count has begun anew.
    let is_set_up = |status: u8| status & !(OUTPUT | NOT_LOADED) == SET_UP;
    let loaded = (0..POLL_LIMIT).map(|_| latch().0).find(|status| !is_set_up(*status) || status & NOT_LOADED == 0);
    if !loaded.is_some_and(is_set_up) {
        return None;
    }
    let read = || {
        let ((status, count), at) = between(&mut latch);
        (is_set_up(status) && status & OUTPUT == 0).then_some((u64::from(count), at))
    };
    compare(read, |first, now| first.wrapping_sub(now) & 0xffff, wanted(HERTZ), HERTZ)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIGAHERTZ: u64 = 1_000_000_000;

    #[test]
    fn sources_that_agree_leave_no_doubt_and_others_are_named() {
        let sure = RateRange::around(GIGAHERTZ, 20);
        let wide = RateRange::around(GIGAHERTZ, 900);
        let double = RateRange::around(2 * GIGAHERTZ, 20);
        let by = |first, second| choose([(Reference::PowerManagementTimer, first), (Reference::IntervalTimer, second)]);
        let agreed = by(Some(wide), Some(sure)).expect("both count");
        assert_eq!(
            (agreed.reference, agreed.hertz, agreed.is_doubtful()),
            (Reference::IntervalTimer, sure.high, false)
        );
        let disputed = by(Some(double), Some(sure)).expect("both count");
        assert_eq!((disputed.reference, disputed.hertz), (Reference::PowerManagementTimer, double.high));
        assert_eq!(disputed.contradicting, Some((Reference::IntervalTimer, sure)));
        let turned = by(Some(sure), Some(double)).expect("both count");
        assert_eq!((turned.reference, turned.hertz), (Reference::IntervalTimer, double.high));
        assert_eq!(turned.contradicting, Some((Reference::PowerManagementTimer, sure)));
        let alone = by(None, Some(sure)).expect("one counts");
        assert_eq!((alone.reference, alone.is_doubtful()), (Reference::IntervalTimer, false));
    }

    #[test]
    fn what_is_known_roughly_is_told_and_what_is_not_known_is_refused() {
        let by = |error| {
            choose([
                (Reference::IntervalTimer, Some(RateRange::around(GIGAHERTZ, error))),
                (Reference::IntervalTimer, None),
            ])
        };
        assert!(by(500).is_ok_and(|found| !found.is_doubtful()));
        assert!(by(20_000).is_ok_and(|found| found.is_doubtful()));
        assert!(by(400_000).is_err());
        let over = RateRange { low: 0, high: 5 * GIGAHERTZ };
        assert!(choose([(Reference::IntervalTimer, Some(over)), (Reference::IntervalTimer, None)]).is_err());
    }
}
