//! What went wrong, told at once and counted.

use core::fmt;

use gatehouse_runtime::println;

/// How many problems are told in full; one cause can have thousands of consequences.
const TOLD: u64 = 25;

/// The problems so far.
#[derive(Debug)]
pub(crate) struct Problems {
    count: u64,
    tell: fn(fmt::Arguments<'_>),
}

impl Problems {
    /// None yet; those to come are told on the console.
    pub(crate) const fn none() -> Self {
        Self { count: 0, tell: |what| println!("WRONG: {what}") }
    }

    /// None yet; those to come are only counted.
    #[cfg(test)]
    pub(crate) const fn none_and_silent() -> Self {
        Self { count: 0, tell: |_| {} }
    }

    /// Tells a problem on the console and counts it.
    pub(crate) fn tell(&mut self, what: fmt::Arguments<'_>) {
        self.count += 1;
        match self.count {
            ..=TOLD => (self.tell)(what),
            count if count == TOLD + 1 => (self.tell)(format_args!("there is more, counted but not told")),
            _ => {}
        }
    }

    /// How many there were.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }
}
