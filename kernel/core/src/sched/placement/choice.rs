//! Where a thread goes that has become ready.

use percpu::CpuIndex;

use super::load_masks::LoadMasks;
use crate::sched::Affinity;

/// A thread that is ready, and who asks where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Where it ran last.
    pub last: CpuIndex,
    /// The CPU that asks.
    pub here: CpuIndex,
    /// Nothing runs or waits there.
    pub here_is_free: bool,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where it goes.
    pub cpu: CpuIndex,
    /// The CPU is idle, and expects the thread.
    pub claimed: bool,
}

/// In this order: where it ran last, if nothing runs there; the CPU that asks, likewise; any idle CPU; where it ran last; the
/// CPU that asks; any other one; all of them only if the thread may run there.
pub fn choose(
    affinity: &Affinity,
    load_masks: &LoadMasks,
    situation: Situation,
    is_idle: impl Fn(CpuIndex) -> bool,
) -> Choice {
    let Situation { last, here, here_is_free } = situation;
    let unclaimed = |cpu| Choice { cpu, claimed: false };
    if let Affinity::One(only) = affinity {
        return unclaimed(*only);
    }
    let free_here = here_is_free && affinity.contains(here);
    if last != here && affinity.contains(last) && load_masks.claim(last, &is_idle) {
        return Choice { cpu: last, claimed: true };
    }
    if free_here {
        return unclaimed(here);
    }
    let suits = |cpu| cpu != here && affinity.contains(cpu);
    if let Some(cpu) = load_masks.claim_any(last, suits, &is_idle) {
        return Choice { cpu, claimed: true };
    }
    let usual = [last, here].into_iter().find(|cpu| affinity.contains(*cpu));
    unclaimed(usual.unwrap_or_else(|| affinity.next_from(last)))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use smp::CpuSet;

    /// What is chosen on CPU 0 for a thread of CPU `last`, when these CPUs are idle.
    fn chosen(affinity: &Affinity, last: u32, here_is_free: bool, idle: &[u32]) -> (u32, bool) {
        let load_masks = LoadMasks::new(8);
        // A CPU that works again has not lowered its flag.
        load_masks.release(CpuIndex::new(6));
        idle.iter().for_each(|cpu| load_masks.release(CpuIndex::new(*cpu)));
        let situation = Situation { last: CpuIndex::new(last), here: CpuIndex::new(0), here_is_free };
        let choice = choose(affinity, &load_masks, situation, |cpu| idle.contains(&cpu.get()));
        assert_eq!(idle.contains(&choice.cpu.get()) && choice.cpu.get() != 0, choice.claimed, "{choice:?}");
        (choice.cpu.get(), choice.claimed)
    }

    fn some(members: &[u32]) -> Affinity {
        let set: CpuSet = members.iter().copied().map(CpuIndex::new).collect();
        Affinity::new(set, |_| true, |set| Ok(Box::new(set))).unwrap()
    }

    #[test]
    fn who_may_run_anywhere_goes_where_it_was_if_that_is_idle_and_else_where_any_is() {
        let all = Affinity::All;
        assert_eq!(chosen(&all, 3, true, &[2, 3]), (3, true));
        assert_eq!(chosen(&all, 3, true, &[2]), (0, false));
        assert_eq!(chosen(&all, 3, false, &[2, 5]), (5, true), "the next one behind where it was");
        assert_eq!(chosen(&all, 3, false, &[2]), (2, true));
        assert_eq!(chosen(&all, 3, false, &[]), (3, false));
        assert_eq!(chosen(&all, 0, true, &[2]), (0, false));
        assert_eq!(chosen(&all, 0, false, &[2]), (2, true));
        assert_eq!(chosen(&all, 0, false, &[]), (0, false));
    }

    #[test]
    fn nobody_goes_where_it_may_not_run() {
        let two = some(&[1, 4]);
        assert_eq!(chosen(&two, 3, true, &[2, 3]), (4, false));
        assert_eq!(chosen(&two, 5, true, &[2, 3]), (1, false));
        assert_eq!(chosen(&two, 3, true, &[1, 2, 3]), (1, true));
        assert_eq!(chosen(&two, 1, false, &[4]), (4, true));
        assert_eq!(chosen(&two, 1, false, &[]), (1, false));
        assert_eq!(chosen(&some(&[0, 4]), 3, false, &[3]), (0, false));
        assert_eq!(chosen(&some(&[0, 4]), 3, true, &[3]), (0, false));
    }

    #[test]
    fn one_cpu_is_one_cpu() {
        assert_eq!(chosen(&Affinity::One(CpuIndex::new(3)), 1, true, &[]), (3, false));
    }
}
