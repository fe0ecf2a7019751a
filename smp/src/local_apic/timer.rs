//! The local APIC's timer, one interrupt for each time it is armed.
//!
//! Source: Intel SDM volume 3A, "APIC Timer" and "TSC-Deadline Mode".

use x2apic::lapic::TimerDivide;

use super::driver::{LVT_MASKED, LocalApic};
use super::registers::{Register, RegisterAccess};
use super::vector::Vector;

/// `IA32_TSC_DEADLINE`.
const TSC_DEADLINE: u32 = 0x6e0;
/// Local vector table entry of the timer, bits 18:17: TSC-deadline mode.
const LVT_TSC_DEADLINE: u32 = 0b10 << 17;
/// Local vector table entry of the timer: the mode bits.
const LVT_TIMER_MODE: u32 = 0b11 << 17;

/// How the timer is told when to fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerMode {
    /// After a number of ticks of its own clock, see [`LocalApic::arm_one_shot`].
    OneShot {
        /// The vector that it raises.
        vector: Vector,
    },
    /// When the time-stamp counter reaches a value, see [`LocalApic::arm_deadline`]. Only on CPUs where
    /// [`has_tsc_deadline`](super::has_tsc_deadline).
    TscDeadline {
        /// The vector that it raises.
        vector: Vector,
    },
}

impl<R: RegisterAccess> LocalApic<R> {
    /// Sets how the calling CPU's timer works, and unmasks it; it is not armed. In one-shot mode a tick of
    /// its clock counts as one (divide-by-1).
    pub fn set_timer(&self, mode: TimerMode) {
        match mode {
            TimerMode::OneShot { vector } => {
                self.write(Register::TIMER_INITIAL_COUNT, 0);
                self.write(Register::TIMER_DIVIDE, TimerDivide::Div1 as u32);
                self.write(Register::LVT_TIMER, u32::from(vector.get()));
            }
            TimerMode::TscDeadline { vector } => {
                self.write(Register::LVT_TIMER, LVT_TSC_DEADLINE | u32::from(vector.get()));
                // The first write of the deadline must not overtake the change of mode, or it is ignored.
                self.registers.fence();
            }
        }
    }

    /// Fires once after `count` ticks of the timer's clock, in place of what was armed before. 0 disarms.
    /// Only in [`TimerMode::OneShot`].
    #[inline]
    pub fn arm_one_shot(&self, count: u32) {
        self.write(Register::TIMER_INITIAL_COUNT, count);
    }

    /// Fires once when the calling CPU's time-stamp counter is at or past `tsc`, in place of what was armed
    /// before. 0 disarms. Only in [`TimerMode::TscDeadline`].
    #[inline]
    pub fn arm_deadline(&self, tsc: u64) {
        self.registers.write_msr(TSC_DEADLINE, tsc);
    }

    /// Disarms the timer. An interrupt that it has raised already may still come.
    pub fn disarm_timer(&self) {
        if self.read(Register::LVT_TIMER) & LVT_TIMER_MODE == LVT_TSC_DEADLINE {
            self.registers.write_msr(TSC_DEADLINE, 0);
        } else {
            self.write(Register::TIMER_INITIAL_COUNT, 0);
        }
    }

    /// Disarms the timer and masks it until [`set_timer`](Self::set_timer).
    pub fn mask_timer(&self) {
        self.disarm_timer();
        self.write(Register::LVT_TIMER, LVT_MASKED);
    }
}

#[cfg(test)]
mod tests {
    use super::super::mode::Mode;
    use super::super::recorder::{Access, Recorder};
    use super::*;

    const VECTOR: Vector = Vector::new(0x40).unwrap();

    #[test]
    fn one_shot_counts_every_tick() {
        let recorder = Recorder::enabled(Mode::X2Apic);
        let apic = LocalApic::over(Mode::X2Apic, &recorder);
        apic.set_timer(TimerMode::OneShot { vector: VECTOR });
        apic.arm_one_shot(1234);
        assert_eq!(
            recorder.writes(),
            [
                Access::WriteMsr(0x838, 0),
                Access::WriteMsr(0x83e, 0b1011),
                Access::WriteMsr(0x832, 0x40),
                Access::WriteMsr(0x838, 1234),
            ]
        );
    }

    #[test]
    fn deadline_mode_is_fenced_before_the_first_deadline() {
        for mode in [Mode::XApic, Mode::X2Apic] {
            let recorder = Recorder::enabled(mode);
            let apic = LocalApic::over(mode, &recorder);
            apic.set_timer(TimerMode::TscDeadline { vector: VECTOR });
            apic.arm_deadline(0x1_0000_0000);
            let writes = recorder.writes();
            assert_eq!(writes[1..], [Access::Fence, Access::WriteMsr(0x6e0, 0x1_0000_0000)]);
            assert_eq!(recorder.value(Register::LVT_TIMER), 0x4_0040);
        }
    }

    #[test]
    fn disarming_follows_the_mode_that_is_set() {
        for mode in [Mode::XApic, Mode::X2Apic] {
            let recorder = Recorder::enabled(mode);
            let apic = LocalApic::over(mode, &recorder);
            apic.set_timer(TimerMode::TscDeadline { vector: VECTOR });
            apic.disarm_timer();
            assert_eq!(recorder.writes().last(), Some(&Access::WriteMsr(0x6e0, 0)));

            apic.set_timer(TimerMode::OneShot { vector: VECTOR });
            apic.arm_one_shot(9);
            apic.disarm_timer();
            assert_eq!(recorder.value(Register::TIMER_INITIAL_COUNT), 0);
            assert_eq!(recorder.value(Register::LVT_TIMER), u32::from(VECTOR.get()));
            apic.mask_timer();
            assert_eq!(recorder.value(Register::LVT_TIMER), 0x1_0000);
        }
    }
}
