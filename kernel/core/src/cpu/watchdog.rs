//! What the watchdog of one CPU makes of what it sees of another.

/// Looks at another CPU within the limit: the first finds that it takes no interrupts and sends one, the others that it did
/// not take that.
pub const LOOKS: u32 = 4;

/// What a CPU knows of the one that it watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// The interrupts that it had taken at the last look.
    interrupts: u64,
    /// Looks since then, without another one.
    silent: u32,
    /// It was told of.
    told: bool,
}

/// What a look comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It has taken interrupts, or has still time.
    Well,
    /// It has taken none lately: it is to be sent one.
    Ask,
    /// It has not taken the one that it was sent: it is to be asked by NMI.
    Suspect,
    /// It was stuck, and takes interrupts again.
    Recovered,
}

impl Watched {
    /// Nothing was seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { interrupts: 0, silent: 0, told: false }
    }

    /// A look at a CPU that has taken so many interrupts by now.
    pub const fn look(&mut self, interrupts: u64) -> Finding {
        if interrupts != self.interrupts {
            let was_told = self.told;
            *self = Self { interrupts, silent: 0, told: false };
            return if was_told { Finding::Recovered } else { Finding::Well };
        }
        self.silent = self.silent.saturating_add(1);
        match self.silent {
            1 => Finding::Ask,
            silent if silent > LOOKS && !self.told => Finding::Suspect,
            _ => Finding::Well,
        }
    }

    /// What came of a suspicion. One that was not told of has the whole time again to take the interrupt, but for one that
    /// could not be asked.
    pub const fn suspected(&mut self, verdict: WatchdogVerdict) {
        match verdict {
            WatchdogVerdict::Stuck => self.told = true,
            WatchdogVerdict::Well => self.silent = 1,
            WatchdogVerdict::NotAsked => {}
        }
    }
}

/// What a CPU that was suspected says by NMI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchdogVerdict {
    /// It has its interrupts off, or does not answer: it was told of.
    Stuck,
    /// It has its interrupts on.
    Well,
    /// Somebody else is asking a CPU at this moment: at the next look, then.
    NotAsked,
}

#[cfg(test)]
mod tests {
    use super::Finding::{Ask, Recovered, Suspect, Well};
    use super::{LOOKS, WatchdogVerdict, Watched};

    #[test]
    fn a_cpu_that_takes_interrupts_is_not_asked() {
        let mut watched = Watched::default();
        assert!((1..100).all(|interrupts| watched.look(interrupts) == Well));
    }

    #[test]
    fn an_idle_cpu_is_asked_and_answers() {
        let mut watched = Watched::default();
        for interrupts in 1..100 {
            assert_eq!(watched.look(interrupts), Well);
            assert_eq!(watched.look(interrupts), Ask);
        }
    }

    #[test]
    fn a_stuck_cpu_is_told_of_once_and_when_it_is_back() {
        let mut watched = Watched::default();
        assert_eq!([watched.look(7), watched.look(7)], [Well, Ask]);
        for _ in 1..LOOKS {
            assert_eq!(watched.look(7), Well);
        }
        assert_eq!(watched.look(7), Suspect);
        watched.suspected(WatchdogVerdict::Stuck);
        assert!((0..100).all(|_| watched.look(7) == Well));
        assert_eq!([watched.look(8), watched.look(8)], [Recovered, Ask]);
    }

    /// A CPU that its host did not run.
    #[test]
    fn one_with_its_interrupts_on_is_not_told_of_and_has_time_again() {
        let mut watched = Watched::default();
        assert_eq!([watched.look(7), watched.look(7)], [Well, Ask]);
        for _ in 0..10 {
            assert!((1..LOOKS).all(|_| watched.look(7) == Well));
            assert_eq!(watched.look(7), Suspect);
            watched.suspected(WatchdogVerdict::Well);
        }
        assert_eq!(watched.look(8), Well);
    }

    #[test]
    fn one_that_could_not_be_asked_is_asked_at_the_next_look() {
        let mut watched = Watched::default();
        assert_eq!(watched.look(7), Well);
        for _ in 0..LOOKS {
            assert_ne!(watched.look(7), Suspect);
        }
        assert_eq!(watched.look(7), Suspect);
        watched.suspected(WatchdogVerdict::NotAsked);
        assert_eq!(watched.look(7), Suspect);
        watched.suspected(WatchdogVerdict::Stuck);
        assert_eq!(watched.look(7), Well);
    }

    #[test]
    fn one_that_answers_late_was_never_stuck() {
        let mut watched = Watched::default();
        assert_eq!([watched.look(7), watched.look(7), watched.look(7)], [Well, Ask, Well]);
        assert_eq!(watched.look(8), Well);
    }
}
