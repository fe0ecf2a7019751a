//! When an interrupt of a device is told, and when its line is masked: what happens at each step, without any hardware.
//!
//! A line that interrupts for being active (level) would interrupt again at once, so it is masked until the driver has
//! acknowledged. One that interrupts for becoming active (edge) stays open, since a masked one would lose what comes;
//! the second that comes before the driver has acknowledged masks it, and is told when the driver does. So no device can
//! keep a CPU busy without its driver, and no interrupt is lost.
//!
//! A driver that acknowledges at once what it has not dealt with keeps the CPU busy together with its device. When the
//! interrupts come too fast (a storm) the line is masked, and the next acknowledgement is refused: the one after that opens
//! it again.

/// What to do about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The driver is to be told.
    pub signal: bool,
    /// The line is to be masked, or not.
    pub mask: Option<bool>,
}

/// One interrupt line's state while a driver listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineState {
    is_level: bool,
    /// The driver was told, and has not acknowledged.
    told: bool,
    /// Another one came meanwhile. Only of edges.
    missed: bool,
    masked: bool,
    /// The driver has not heard yet that there is a storm.
    storm: bool,
}

/// Why an acknowledgement does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The driver was told nothing.
    NotTold,
    /// There is a storm: the line stays masked until the driver acknowledges once more.
    Storm,
}

impl LineState {
    /// The state of a line that is open.
    #[must_use]
    pub const fn new(is_level: bool) -> Self {
        Self { is_level, told: false, missed: false, masked: false, storm: false }
    }

    /// Whether the line is masked.
    #[must_use]
    pub const fn is_masked(&self) -> bool {
        self.masked
    }

    /// The line, a level, was masked, and one is under way that will be told: it is opened when the driver acknowledges that.
    pub const fn defer_unmask(&mut self) {
        self.masked = true;
    }

    /// Another driver listens, who was told nothing. Answers whether the line is to be opened.
    #[must_use]
    pub fn begin_anew(&mut self) -> bool {
        let is_withheld = self.masked && !self.told;
        let opens = self.masked && !is_withheld;
        *self = Self { masked: is_withheld, ..Self::new(self.is_level) };
        opens
    }

    /// The device interrupts.
    #[must_use]
    pub fn arrived(&mut self) -> Reaction {
        let again = core::mem::replace(&mut self.told, true);
        self.missed |= again && !self.is_level;
        self.masked |= self.is_level || again;
        Reaction { signal: !again, mask: self.masked.then_some(true) }
    }

    /// The device interrupts, and does so too often.
    #[must_use]
    pub fn stormed(&mut self) -> Reaction {
        self.storm = true;
        self.masked = true;
        self.arrived()
    }

    /// The driver has done with what it was told.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn acknowledged(&mut self) -> Result<Reaction, Refusal> {
        if !self.told {
            return Err(Refusal::NotTold);
        }
        if core::mem::take(&mut self.storm) {
            return Err(Refusal::Storm);
        }
        let missed = core::mem::take(&mut self.missed);
        self.told = missed;
        let masked = core::mem::take(&mut self.masked);
        Ok(Reaction { signal: missed, mask: masked.then_some(false) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LineState, Reaction, Refusal};

    #[test]
    fn a_level_line_is_masked_until_it_is_acknowledged() {
        let mut line = LineState::new(true);
        assert_eq!(line.acknowledged(), Err(Refusal::NotTold));
        assert_eq!(line.arrived(), Reaction { signal: true, mask: Some(true) });
        assert_eq!(line.acknowledged(), Ok(Reaction { signal: false, mask: Some(false) }));
        assert_eq!(line, LineState::new(true));
    }

    #[test]
    fn an_edge_that_comes_too_early_is_told_later() {
        let mut line = LineState::new(false);
        assert_eq!(line.arrived(), Reaction { signal: true, mask: None });
        assert_eq!(line.arrived(), Reaction { signal: false, mask: Some(true) });
        assert_eq!(line.acknowledged(), Ok(Reaction { signal: true, mask: Some(false) }));
        assert_eq!(line.acknowledged(), Ok(Reaction { signal: false, mask: None }));
        assert_eq!(line.acknowledged(), Err(Refusal::NotTold));
    }

    #[test]
    fn a_storm_ends_with_the_second_acknowledgement() {
        for is_level in [true, false] {
            let mut line = LineState::new(is_level);
            assert_eq!(line.stormed(), Reaction { signal: true, mask: Some(true) });
            assert_eq!(line.acknowledged(), Err(Refusal::Storm));
            assert_eq!(line.acknowledged(), Ok(Reaction { signal: false, mask: Some(false) }));
            assert_eq!(line, LineState::new(is_level));
        }
    }

    #[test]
    fn a_withheld_line_is_opened_behind_the_one_under_way() {
        let mut line = LineState::new(true);
        line.defer_unmask();
        assert_eq!((line.is_masked(), line.acknowledged()), (true, Err(Refusal::NotTold)));
        assert!(!line.begin_anew(), "the one under way is the new driver's");
        assert!(line.is_masked());
        assert_eq!(line.arrived(), Reaction { signal: true, mask: Some(true) });
        assert_eq!(line.acknowledged(), Ok(Reaction { signal: false, mask: Some(false) }));
        assert_eq!(line, LineState::new(true));
    }

    #[test]
    fn a_new_driver_finds_the_line_open() {
        for is_level in [true, false] {
            let mut line = LineState::new(is_level);
            assert!(!line.begin_anew(), "open already");
            let _told = line.arrived();
            let _missed = line.stormed();
            assert!(line.begin_anew());
            assert_eq!(line, LineState::new(is_level));
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Arrives,
        Storms,
        Acknowledged,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![3 => Just(Event::Arrives), 1 => Just(Event::Storms), 3 => Just(Event::Acknowledged)]
    }

    proptest! {
        /// Any order of events: a masked line does not interrupt; a driver that acknowledges each signal, once more if it is
        /// refused, finds it open.
        #[test]
        fn nothing_is_lost_and_nothing_storms(is_level: bool, events in proptest::collection::vec(event(), 0..200)) {
            let (mut line, mut masked, mut untold, mut told) = (LineState::new(is_level), false, false, 0_u32);
            let mut storm = false;
            for event in events {
                let reaction = match event {
                    Event::Acknowledged => match line.acknowledged() {
                        Ok(reaction) => {
                            prop_assert!(!storm, "a storm that nobody heard of");
                            told -= 1;
                            reaction
                        }
                        Err(Refusal::NotTold) => {
                            prop_assert_eq!(told, 0);
                            continue;
                        }
                        Err(Refusal::Storm) => {
                            prop_assert!(storm && masked);
                            storm = false;
                            continue;
                        }
                    },
                    _ if masked => continue,
                    Event::Arrives => line.arrived(),
                    Event::Storms => {
                        storm = true;
                        line.stormed()
                    }
                };
                if !matches!(event, Event::Acknowledged) {
                    untold = true;
                }
                if reaction.signal {
                    untold = false;
                    told += 1;
                }
                masked = reaction.mask.unwrap_or(masked);
                prop_assert!(told <= 1, "told twice without an acknowledgement");
                prop_assert!(!untold || told == 1, "an interrupt that will never be told");
                prop_assert!(!masked || told == 1, "masked, and nobody will unmask it");
                prop_assert!(!storm || masked, "a storm goes on");
            }
        }
    }
}
