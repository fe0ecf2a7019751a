//! Where a CPU's bit is in a row of words.

use percpu::CpuIndex;

/// CPUs a word.
pub(super) const WORD_BITS: u32 = u64::BITS;

/// A CPU's bit: in which word, and which.
///
/// The first word, of the CPUs 0 to 63, is all that a machine of few CPUs has. What is done to it stands in line, and what is
/// done to others is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) word: usize,
    pub(super) bit: u64,
}

impl Place {
    #[inline(always)]
    pub(super) const fn of(cpu: CpuIndex) -> Self {
        Self { word: (cpu.get() / WORD_BITS) as usize, bit: 1 << (cpu.get() % WORD_BITS) }
    }
}

/// How many words so many CPUs take beside the first.
pub(super) fn words_beside_first(cpus: u32) -> usize {
    cpus.div_ceil(WORD_BITS).saturating_sub(1) as usize
}

/// The CPUs of a word's bits, lowest first.
pub(super) fn cpus_of(word: usize, mut bits: u64) -> impl Iterator<Item = CpuIndex> {
    core::iter::from_fn(move || {
        let bit = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(CpuIndex::new(word as u32 * WORD_BITS + bit))
    })
}
