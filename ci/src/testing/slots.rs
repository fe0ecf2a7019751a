//! Boots share the host's processors: a machine whose CPUs run in one thread takes one of them, any other all.
//!
//! Across processes, by locked files, which are free again when their process ends in any way. Whoever is first at the gate
//! takes its slots before anybody else takes one, so a boot that wants them all is not overtaken for ever.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

/// The slots of one folder, as many as the host has processors.
#[derive(Clone, Debug)]
pub struct Slots {
    folder: PathBuf,
    count: usize,
}

/// Slots that are taken, until this is dropped.
#[derive(Debug)]
pub struct Taken(#[expect(dead_code, reason = "held for its drop")] Vec<Flock<File>>);

impl Slots {
    /// The slots whose files lie in `folder`, which is made.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(folder: PathBuf, count: usize) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, count: count.max(1) })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes `wanted` slots, at least one and at most all, and waits for them. Whoever holds them is a boot, which has a
    /// time limit.
    ///
    /// # Errors
    /// A file cannot be made or locked.
    pub fn take(&self, wanted: usize) -> io::Result<Taken> {
        let _gate = self.lock("gate", FlockArg::LockExclusive)?;
        let mut taken = Vec::new();
        while taken.len() < wanted.clamp(1, self.count) {
            let free =
                (0..self.count).find_map(|slot| self.lock(&slot.to_string(), FlockArg::LockExclusiveNonblock).ok());
            match free {
                Some(slot) => taken.push(slot),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
        Ok(Taken(taken))
    }

    fn lock(&self, name: &str, how: FlockArg) -> io::Result<Flock<File>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.folder.join(name))?;
        Flock::lock(file, how).map_err(|(_, error)| error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_are_taken_than_there_are_and_all_come_to_their_turn() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::new(folder.path().join("slots"), 3).unwrap();
        let (used, most, start) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(6));
        thread::scope(|scope| {
            for wanted in [1, 1, 1, 2, 3, 9] {
                let (slots, used, most, start) = (&slots, &used, &most, &start);
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..5 {
                        let _taken = slots.take(wanted).unwrap();
                        let mine = wanted.min(3);
                        most.fetch_max(used.fetch_add(mine, Ordering::SeqCst) + mine, Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(2));
                        used.fetch_sub(mine, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 3);
    }
}
