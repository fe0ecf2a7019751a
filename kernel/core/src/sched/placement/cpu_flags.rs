//! A flag for each CPU, which any CPU may look at and change.

use alloc::boxed::Box;

use percpu::CpuIndex;

use crate::atomic::{AtomicU64, Ordering, fence};

/// A flag for each CPU of the machine, 64 in a word.
#[derive(Debug)]
pub struct CpuFlags {
    words: Box<[AtomicU64]>,
}

impl CpuFlags {
    /// Flags for so many CPUs, none of them raised.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    #[inline]
    pub fn new(cpus: usize) -> Self {
        Self { words: (0..cpus.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Raises the flag of a CPU. What the caller wrote before is seen by whoever lowers the flag later; and if the flag was
    /// raised already, and stays so, nothing is written.
    #[inline]
    pub fn raise(&self, cpu: CpuIndex) {
        let Some((word, bit)) = self.place(cpu) else { return };
        // What the caller wrote comes before the look: see `LoadMasks`.
        fence(Ordering::SeqCst);
        if word.load(Ordering::SeqCst) & bit == 0 {
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }

    /// Raises the flags of all CPUs, and of some that are not there.
    #[inline]
    pub fn raise_all(&self) {
        self.words.iter().for_each(|word| word.store(u64::MAX, Ordering::SeqCst));
    }

    /// Lowers the flag of a CPU; `true` for the one caller that finds it raised.
    #[inline]
    pub fn lower(&self, cpu: CpuIndex) -> bool {
        let Some((word, bit)) = self.place(cpu) else { return false };
        if word.load(Ordering::SeqCst) & bit == 0 {
            return false;
        }
        let lowered = word.fetch_and(!bit, Ordering::SeqCst) & bit != 0;
        // What the caller looks at next comes after it: see `LoadMasks`.
        fence(Ordering::SeqCst);
        lowered
    }

    /// The first CPU behind `start`, and round to `start` itself, whose flag is raised and that suits. What the caller wrote
    /// before is seen by whoever raises a flag that is not found, and then looks.
    #[inline]
    pub fn find(&self, start: CpuIndex, mut suits: impl FnMut(CpuIndex) -> bool) -> Option<CpuIndex> {
        // What the caller raised or wrote before comes before the look: see `LoadMasks`.
        fence(Ordering::SeqCst);
        let words = self.words.len();
        let first = start.as_usize() / 64;
        // The bits behind that of `start`; its own and those before it come last.
        let behind = u64::MAX.checked_shl(start.get() % 64 + 1).unwrap_or(0);
        (0..=words).find_map(|step| {
            let index = (first + step) % words;
            let mut raised = self.words.get(index)?.load(Ordering::SeqCst);
            match step {
                0 => raised &= behind,
                _ if step == words => raised &= !behind,
                _ => {}
            }
            core::iter::from_fn(|| {
                let bit = (raised != 0).then(|| raised.trailing_zeros())?;
                raised &= raised - 1;
                Some(CpuIndex::new((index * 64) as u32 + bit))
            })
            .find(|cpu| suits(*cpu))
        })
    }

    fn place(&self, cpu: CpuIndex) -> Option<(&AtomicU64, u64)> {
        Some((self.words.get(cpu.as_usize() / 64)?, 1 << (cpu.get() % 64)))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn flags(cpus: usize, raised: &[u32]) -> CpuFlags {
        let flags = CpuFlags::new(cpus);
        raised.iter().for_each(|cpu| flags.raise(CpuIndex::new(*cpu)));
        flags
    }

    #[test]
    fn a_flag_is_lowered_once() {
        let flags = flags(130, &[0, 64, 129]);
        assert!(!flags.lower(CpuIndex::new(128)));
        assert!(flags.lower(CpuIndex::new(129)));
        assert!(!flags.lower(CpuIndex::new(129)));
        assert!(!flags.lower(CpuIndex::new(1)) && !flags.lower(CpuIndex::new(4000)));
        flags.raise(CpuIndex::new(4000));
        flags.raise_all();
        assert!((0..130).all(|cpu| flags.lower(CpuIndex::new(cpu))));
    }

    proptest! {
        /// As a naive search: every raised flag is asked for once, in the order round from the start.
        #[test]
        fn the_search_goes_round_once(cpus in 1_u32..600, start in 0_u32..600, raised: Vec<u32>) {
            let start = start % cpus;
            let mut raised: Vec<u32> = raised.into_iter().map(|cpu| cpu % cpus).collect();
            let flags = flags(cpus as usize, &raised);
            raised.sort_unstable();
            raised.dedup();
            raised.sort_by_key(|cpu| (cpu + cpus - start - 1) % cpus);
            let mut seen = Vec::new();
            prop_assert_eq!(flags.find(CpuIndex::new(start), |cpu| { seen.push(cpu.get()); false }), None);
            prop_assert_eq!(&seen, &raised);
            let first = raised.first().map(|cpu| CpuIndex::new(*cpu));
            prop_assert_eq!(flags.find(CpuIndex::new(start), |_| true), first);
        }
    }
}
