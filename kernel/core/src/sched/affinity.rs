//! Which CPUs a thread may run on.

use alloc::boxed::Box;

use percpu::CpuIndex;
use smp::CpuSet;

use crate::fallible::OutOfHeap;

/// A set of CPUs, at least one of which is online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// This CPU.
    One(CpuIndex),
    /// Every CPU.
    All,
    /// At least two CPUs.
    Some(Box<CpuSet>),
}

/// Why a set of CPUs is none that a thread can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AffinityError {
    /// No CPU is in it.
    Empty,
    /// This CPU is not online.
    NotOnline(CpuIndex),
    /// There is no memory for it.
    OutOfHeap,
}

impl Affinity {
    /// The CPUs of a set, for which `keep` has memory.
    ///
    /// # Errors
    /// [`AffinityError`].
    #[inline]
    pub fn new(
        set: CpuSet,
        is_online: impl Fn(CpuIndex) -> bool,
        keep: impl FnOnce(CpuSet) -> Result<Box<CpuSet>, OutOfHeap>,
    ) -> Result<Self, AffinityError> {
        if let Some(missing) = set.iter().find(|cpu| !is_online(*cpu)) {
            return Err(AffinityError::NotOnline(missing));
        }
        let mut members = set.iter();
        match (members.next(), members.next()) {
            (None, _) => Err(AffinityError::Empty),
            (Some(only), None) => Ok(Self::One(only)),
            _ => {
                drop(members);
                keep(set).map(Self::Some).map_err(|_| AffinityError::OutOfHeap)
            }
        }
    }

    /// Whether the CPU is in it.
    #[must_use]
    #[inline]
    pub fn contains(&self, cpu: CpuIndex) -> bool {
        match self {
            Self::One(only) => *only == cpu,
            Self::All => true,
            Self::Some(set) => set.contains(cpu),
        }
    }

    /// The first CPU in it from this one on, or else the first of all.
    #[must_use]
    #[inline]
    pub fn next_from(&self, cpu: CpuIndex) -> CpuIndex {
        match self {
            Self::One(only) => *only,
            Self::All => cpu,
            Self::Some(set) => {
                let behind = set.iter().find(|member| *member >= cpu);
                behind.or_else(|| set.iter().next()).unwrap_or(cpu)
            }
        }
    }

    /// Whether there is more than one CPU in it; [`Self::All`] counts as more than one on every machine.
    #[must_use]
    #[inline]
    pub const fn is_migratable(&self) -> bool {
        !matches!(self, Self::One(_))
    }
}

#[cfg(test)]
mod tests {
    use super::{Affinity, AffinityError, OutOfHeap};
    use percpu::CpuIndex;
    use smp::CpuSet;

    fn made(members: &[u32]) -> Result<Affinity, AffinityError> {
        let set: CpuSet = members.iter().copied().map(CpuIndex::new).collect();
        Affinity::new(set, |cpu| cpu.get() != 3 && cpu.get() < 600, |set| Ok(Box::new(set)))
    }

    #[test]
    fn sets_without_cpus_and_cpus_that_are_not_online_are_refused() {
        assert_eq!(made(&[]), Err(AffinityError::Empty));
        assert_eq!(made(&[0, 3]), Err(AffinityError::NotOnline(CpuIndex::new(3))));
        assert_eq!(made(&[700]), Err(AffinityError::NotOnline(CpuIndex::new(700))));
    }

    #[test]
    fn a_set_that_cannot_be_kept_is_refused_and_one_that_need_not_be_is_taken() {
        let new = |members: &[u32]| {
            let set: CpuSet = members.iter().copied().map(CpuIndex::new).collect();
            Affinity::new(set, |_| true, |_| Err(OutOfHeap))
        };
        assert_eq!(new(&[1, 2]), Err(AffinityError::OutOfHeap));
        assert_eq!(new(&[2]), Ok(Affinity::One(CpuIndex::new(2))));
    }

    #[test]
    fn one_cpu_is_no_choice() {
        let one = made(&[511]).unwrap();
        assert!(!one.is_migratable() && one.contains(CpuIndex::new(511)) && !one.contains(CpuIndex::new(0)));
        let two = made(&[511, 2]).unwrap();
        assert!(two.is_migratable() && two.contains(CpuIndex::new(2)) && !two.contains(CpuIndex::new(1)));
        assert_eq!([0, 2, 3, 512].map(|cpu| two.next_from(CpuIndex::new(cpu)).get()), [2, 2, 511, 2]);
        assert!(Affinity::All.is_migratable() && Affinity::All.contains(CpuIndex::new(4096)));
    }
}
