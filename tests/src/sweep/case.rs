//! One sweep: the same events at each instruction of a path.

use std::fmt;

use anyhow::Result;

use super::event::{Event, Strike};
use super::stand::{Place, Stand};

/// Failures after which a sweep gives up: each may take its time.
const MOST_FAILURES: usize = 3;

/// Which of a path's instructions are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// All.
    All,
    /// At most so many and one, spread evenly; the first and the last are among them.
    Some(usize),
}

impl Range {
    /// Every how many of so many.
    fn stride(self, places: usize) -> usize {
        match self {
            Self::All => 1,
            Self::Some(most) => places.div_ceil(most.max(1)).max(1),
        }
    }
}

/// What came of a sweep.
#[derive(Debug)]
pub struct Tally {
    /// What was swept.
    pub name: String,
    /// Cases that were survived, of so many.
    pub survived: usize,
    /// Cases.
    pub cases: usize,
    /// What went wrong in the others: the first few.
    pub failures: Vec<String>,
}

impl Tally {
    /// Whether all were survived, and there were any.
    pub fn is_good(&self) -> bool {
        self.survived == self.cases && self.cases > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:<28} {} of {}", self.name, self.survived, self.cases)?;
        self.failures.iter().try_for_each(|failure| write!(out, "\n    {failure}"))
    }
}

/// Lets `events` happen before each instruction of the path behind the strikes `before`. A machine check is left out where the
/// hardware has not been told that the one before is over, a step where it would come in the program. After a failure the rest is
/// done on a new machine, which `start` starts.
///
/// # Errors
/// The machine does not start, or does not survive `before` alone.
pub fn sweep(
    start: &dyn Fn() -> Result<Stand>,
    stand: &mut Stand,
    before: &[Strike],
    events: &[Event],
    range: Range,
) -> Result<Tally> {
    let places: Vec<Place> = stand.path(before)?.into_iter().filter(|place| allowed(place, events)).collect();
    let last = places.len().saturating_sub(1);
    let stride = range.stride(places.len());
    let taken = places.iter().enumerate().filter(|(index, _)| index.is_multiple_of(stride) || *index == last);
    let mut tally =
        Tally { name: name(before, events), survived: 0, cases: taken.clone().count(), failures: Vec::new() };
    for (_, place) in taken {
        let strikes: Vec<Strike> = before.iter().cloned().chain([Strike::before(place.address, events)]).collect();
        let turned = place.turn.map_or(Ok(()), |turn| stand.take_turn(turn));
        match turned.and_then(|()| stand.survives(&strikes)) {
            Ok(()) => tally.survived += 1,
            Err(error) => {
                let at = format!("{:#x} ({})", place.address, stand.function(place.address));
                tally.failures.push(format!("{at}: {error:#}; {}", stand.last_words()));
                if tally.failures.len() == MOST_FAILURES {
                    break;
                }
                *stand = start()?;
            }
        }
    }
    Ok(tally)
}

fn allowed(place: &Place, events: &[Event]) -> bool {
    !(place.in_machine_check && events.contains(&Event::MachineCheck)
        || place.is_return && events.contains(&Event::Step))
}

fn name(before: &[Strike], events: &[Event]) -> String {
    let join = |events: &[Event]| events.iter().map(Event::to_string).collect::<Vec<_>>().join(" + ");
    let before: Vec<String> = before.iter().rev().map(|strike| join(&strike.events)).collect();
    format!("{} inside {}", join(events), before.join(" inside "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_cannot_be_survived_are_left_out() {
        let place = |in_machine_check, is_return| Place { address: 1, in_machine_check, is_return, turn: None };
        assert!(allowed(&place(true, true), &[Event::NonMaskable]));
        assert!(!allowed(&place(true, false), &[Event::NonMaskable, Event::MachineCheck]));
        assert!(!allowed(&place(false, true), &[Event::Step]));
        assert!(allowed(&place(false, false), &[Event::Step, Event::MachineCheck]));
    }

    #[test]
    fn a_part_of_a_path_is_spread_over_the_whole() {
        assert_eq!((Range::All.stride(100), Range::Some(10).stride(100), Range::Some(30).stride(100)), (1, 10, 4));
        assert_eq!((Range::Some(10).stride(3), Range::Some(0).stride(5), Range::Some(1).stride(0)), (1, 5, 1));
    }

    #[test]
    fn a_tally_says_what_was_struck_by_what() {
        let before = [Strike::at_mark(Event::NonMaskable), Strike::before(1, &[Event::MachineCheck])];
        assert_eq!(name(&before, &[Event::Step, Event::NonMaskable]), "#DB + NMI inside #MC inside NMI");
        let tally = Tally { name: "x".into(), survived: 0, cases: 0, failures: Vec::new() };
        assert!(!tally.is_good(), "nothing was swept");
    }
}
