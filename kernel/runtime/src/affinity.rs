//! On which CPUs threads may run.
//!
//! A thread that was started on a CPU stays there. One that was started on [`ANY_CPU`] may run on all, and the kernel
//! moves it to where nothing runs.

use crate::Kernel;
use crate::abi::{ANY_CPU, Error};
use crate::capability::Thread;

/// A set of CPUs: `WORDS` times 64, from CPU 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSet<const WORDS: usize = 64>([u64; WORDS]);

impl<const WORDS: usize> CpuSet<WORDS> {
    /// No CPU.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; WORDS])
    }

    /// These CPUs; those that there is no room for are left out.
    #[must_use]
    pub fn of(cpus: &[u64]) -> Self {
        cpus.iter().fold(Self::new(), |mut set, cpu| {
            set.insert(*cpu);
            set
        })
    }

    /// Adds a CPU; `false` if there is no room for it.
    pub fn insert(&mut self, cpu: u64) -> bool {
        let word = usize::try_from(cpu / 64).ok().and_then(|index| self.0.get_mut(index));
        let Some(word) = word else { return false };
        *word |= 1 << (cpu % 64);
        true
    }

    /// Whether a CPU is in the set.
    #[must_use]
    pub fn contains(&self, cpu: u64) -> bool {
        let word = usize::try_from(cpu / 64).ok().and_then(|index| self.0.get(index));
        word.is_some_and(|word| word >> (cpu % 64) & 1 != 0)
    }

    /// How many CPUs are in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Address and length in bytes, as system calls take them.
    pub(crate) fn location(&self) -> (u64, u64) {
        (self.0.as_ptr() as u64, size_of_val(&self.0) as u64)
    }
}

impl<const WORDS: usize> Default for CpuSet<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

/// Says on which CPUs a thread may run, this one for [`Thread::CURRENT`]. If that is not on one of them it moves: the
/// calling thread before this returns, another one as soon as its CPU has been told.
///
/// # Errors
/// [`Error::InvalidArgument`] for the empty set; [`Error::NoSuchCpu`] if one of them is not online; those of the
/// capability, which needs [`crate::abi::rights::CONTROL`].
pub fn set<const WORDS: usize>(thread: Thread, cpus: &CpuSet<WORDS>) -> Result<(), Error> {
    let (address, length) = cpus.location();
    Kernel::set_affinity(thread, address, length).map(drop)
}

/// Lets a thread run on all CPUs.
///
/// # Errors
/// As for [`set`].
pub fn allow_every_cpu(thread: Thread) -> Result<(), Error> {
    Kernel::set_affinity(thread, ANY_CPU, 0).map(drop)
}

/// On which CPUs a thread may run.
///
/// # Errors
/// [`Error::BufferTooSmall`] if there are more CPUs than the set has room for; those of the capability, which needs
/// [`crate::abi::rights::READ`].
pub fn of<const WORDS: usize>(thread: Thread) -> Result<CpuSet<WORDS>, Error> {
    let mut cpus = CpuSet::new();
    Kernel::affinity(thread, &mut cpus.0)?;
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::CpuSet;

    #[test]
    fn members_are_counted_and_found() {
        let mut set = CpuSet::<2>::of(&[0, 63, 64, 127, 128]);
        assert_eq!(set.count(), 4);
        assert!(set.contains(127) && !set.contains(128) && !set.contains(1) && !set.contains(u64::MAX));
        assert!(set.insert(1) && set.insert(1) && !set.insert(128));
        assert_eq!(set.count(), 5);
    }
}
