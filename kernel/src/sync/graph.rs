//! Which locks are taken while which are held: the edges that really occur, for the book.
//!
//! They are recorded when the command line says `lock-graph`, by the kernel that is shipped: the comparison that is made anyway when a lock is
//! taken gets another operand, at every place of the code, so that it leads to [`note`] whenever any lock is held. Otherwise this costs nothing.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::rank::ALL;

/// By place: the bits of all ranks that were held while one of this rank was waited for.
static HELD: [AtomicU32; ALL.len()] = [const { AtomicU32::new(0) }; ALL.len()];

static RECORDS: AtomicBool = AtomicBool::new(false);

/// From here on what is noted will be wanted.
pub fn record() {
    RECORDS.store(true, Ordering::Relaxed);
}

/// A lock of the rank at `place` is about to be taken in order, while those in `held` are.
pub(super) fn note(place: u32, held: u32) {
    if let Some(row) = HELD.get(place as usize) {
        row.fetch_or(held, Ordering::Relaxed);
    }
}

/// Writes the record `lock_graph` to `out`, if the order is recorded: the names of the ranks in order, and for each the places of those that were
/// held while it was waited for. A line of JSON: names are identifiers.
///
/// # Errors
/// If `out` fails.
pub fn write_record(out: &mut dyn Write) -> fmt::Result {
    if !RECORDS.load(Ordering::Relaxed) {
        return Ok(());
    }
    write!(out, "{{\"lock_graph\":[")?;
    for (place, (row, held)) in ALL.iter().zip(&HELD).enumerate() {
        write!(out, "{}{{\"rank\":\"{}\",\"held\":[", if place == 0 { "" } else { "," }, row.name)?;
        let held = held.load(Ordering::Relaxed);
        for (position, place) in (0..u32::BITS).filter(|place| held & 1 << place != 0).enumerate() {
            write!(out, "{}{place}", if position == 0 { "" } else { "," })?;
        }
        write!(out, "]}}")?;
    }
    writeln!(out, "]}}")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::string::String;

    use super::super::Mutex;
    use super::super::rank::{Forest, Functions, Programs};
    use super::*;

    /// On the host what is taken while something is held is always noted.
    #[test]
    fn edges_go_from_what_is_held_to_what_is_taken() {
        let (outer, inner, third) =
            (Mutex::<_, Forest>::new(()), Mutex::<_, Programs>::new(()), Mutex::<_, Functions>::new(()));
        let mut silent = String::new();
        write_record(&mut silent).unwrap();
        assert_eq!(silent, "");
        let held = outer.lock();
        drop(inner.lock());
        let attempt = inner.try_lock();
        drop(third.lock());
        drop((attempt, held));
        record();
        let mut text = String::new();
        write_record(&mut text).unwrap();
        let (forest, programs) = (
            ALL.iter().position(|row| row.name == "Forest").unwrap(),
            ALL.iter().position(|row| row.name == "Programs").unwrap(),
        );
        assert!(text.contains(&std::format!("{{\"rank\":\"Programs\",\"held\":[{forest}]}}")), "{text}");
        assert!(text.contains(&std::format!("{{\"rank\":\"Functions\",\"held\":[{forest},{programs}]}}")), "{text}");
        assert!(
            text.starts_with("{\"lock_graph\":[{\"rank\":\"Test\",\"held\":[]}") && text.ends_with("]}\n"),
            "{text}"
        );
    }
}
