//! When an interrupt of a device is told, and when its line is masked: what happens at each step, without any hardware.
//!
//! A line that interrupts for being active (level) would interrupt again at once, so it is masked until the driver has
//! acknowledged. One that interrupts for becoming active (edge) stays open, since a masked one would lose what comes;
//! the second that comes before the driver has acknowledged masks it, and is told when the driver does. So no device can
//! keep a CPU busy without its driver, and no interrupt is lost.

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
pub struct Gate {
    is_level: bool,
    /// The driver was told, and has not acknowledged.
    told: bool,
    /// Another one came meanwhile; the line is masked. Only of edges.
    missed: bool,
}

impl Gate {
    /// The state of a line that is open.
    #[must_use]
    pub const fn new(is_level: bool) -> Self {
        Self { is_level, told: false, missed: false }
    }

    /// The device interrupts.
    #[must_use]
    pub fn arrived(&mut self) -> Reaction {
        let again = core::mem::replace(&mut self.told, true);
        self.missed |= again && !self.is_level;
        Reaction { signal: !again, mask: (self.is_level || again).then_some(true) }
    }

    /// The driver has done with what it was told; `None` if it was told nothing.
    #[must_use]
    pub fn acknowledged(&mut self) -> Option<Reaction> {
        if !self.told {
            return None;
        }
        let missed = core::mem::take(&mut self.missed);
        self.told = missed;
        Some(Reaction { signal: missed, mask: (self.is_level || missed).then_some(false) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Gate, Reaction};

    #[test]
    fn a_level_line_is_masked_until_it_is_acknowledged() {
        let mut gate = Gate::new(true);
        assert_eq!(gate.acknowledged(), None);
        assert_eq!(gate.arrived(), Reaction { signal: true, mask: Some(true) });
        assert_eq!(gate.acknowledged(), Some(Reaction { signal: false, mask: Some(false) }));
        assert_eq!(gate, Gate::new(true));
    }

    #[test]
    fn an_edge_that_comes_too_early_is_told_later() {
        let mut gate = Gate::new(false);
        assert_eq!(gate.arrived(), Reaction { signal: true, mask: None });
        assert_eq!(gate.arrived(), Reaction { signal: false, mask: Some(true) });
        assert_eq!(gate.acknowledged(), Some(Reaction { signal: true, mask: Some(false) }));
        assert_eq!(gate.acknowledged(), Some(Reaction { signal: false, mask: None }));
        assert_eq!(gate.acknowledged(), None);
    }

    proptest! {
        /// Any order of events: a masked line does not interrupt; a driver that acknowledges each signal finds it open.
        #[test]
        fn nothing_is_lost_and_nothing_storms(is_level: bool, events in proptest::collection::vec(any::<bool>(), 0..200)) {
            let (mut gate, mut masked, mut untold, mut told) = (Gate::new(is_level), false, false, 0_u32);
            for acknowledges in events {
                let reaction = if acknowledges {
                    match gate.acknowledged() {
                        Some(reaction) => {
                            told -= 1;
                            reaction
                        }
                        None => {
                            prop_assert_eq!(told, 0);
                            continue;
                        }
                    }
                } else if masked {
                    continue;
                } else {
                    untold = true;
                    gate.arrived()
                };
                if reaction.signal {
                    untold = false;
                    told += 1;
                }
                masked = reaction.mask.unwrap_or(masked);
                prop_assert!(told <= 1, "told twice without an acknowledgement");
                prop_assert!(!untold || told == 1, "an interrupt that will never be told");
                prop_assert!(!masked || told == 1, "masked, and nobody will unmask it");
            }
        }
    }
}
