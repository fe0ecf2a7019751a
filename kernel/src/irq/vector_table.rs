//! One CPU's device vectors: which interrupt each is given to. No hardware: whoever uses it says what is pending.
//!
//! A vector that is left may still have an interrupt under way: it was sent before the source was led elsewhere or masked. So
//! it stays taken until the CPU has seen that none is waiting there, or has taken it. One that came afterwards would be taken
//! for an interrupt of whoever got the vector next.

/// What a vector is given to.
#[derive(Debug)]
enum Slot<B, L> {
    Free,
    /// Its interrupts are `B`'s.
    Bound(B),
    /// Nothing raises it any more. What is under way is told to `L`, or nobody.
    Left(Option<L>),
}

/// Whose an interrupt is that has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival<B, L> {
    /// Of whom the vector is bound to.
    Bound(B),
    /// Of whom it was bound to.
    Late(L),
    /// Of somebody who does not listen any more.
    Ended,
}

/// The vectors from `FIRST` on, `COUNT` of them.
#[derive(Debug)]
pub struct VectorTable<B, L, const FIRST: u8, const COUNT: usize> {
    slots: [Slot<B, L>; COUNT],
    /// Where to look for a free one: behind the one given last, so that each rests as long as can be.
    next: usize,
}

impl<B, L, const FIRST: u8, const COUNT: usize> VectorTable<B, L, FIRST, COUNT> {
    /// A table of free vectors.
    pub const fn new() -> Self {
        const { assert!(COUNT > 0 && FIRST as usize + COUNT <= 256, "vectors have 8 bits") }
        Self { slots: [const { Slot::Free }; COUNT], next: 0 }
    }

    /// Whom a vector is bound to.
    #[inline(always)]
    pub fn bound(&self, vector: u64) -> Option<&B> {
        match self.slots.get(vector.wrapping_sub(u64::from(FIRST)) as usize)? {
            Slot::Bound(to) => Some(to),
            Slot::Free | Slot::Left(_) => None,
        }
    }

    /// Gives a free vector to somebody; answers which, or none is free.
    pub fn bind(&mut self, to: B) -> Option<u8> {
        let index = (self.next..COUNT).chain(0..self.next).find(|index| matches!(self.slots[*index], Slot::Free))?;
        self.slots[index] = Slot::Bound(to);
        // One past the last is none, and the search begins at the first again.
        self.next = index.saturating_add(1);
        // `FIRST + COUNT` is at most 256.
        Some(FIRST.wrapping_add(index as u8))
    }

    /// Nothing raises a bound vector any more; what is under way is told to `told`, or nobody. Answers whom it was bound to.
    pub fn leave(&mut self, vector: u8, told: Option<L>) -> Option<B> {
        self.replace_bound(vector, Slot::Left(told))
    }

    /// Takes back a bound vector that nothing has ever raised. Answers whom it was bound to.
    pub fn take_back(&mut self, vector: u8) -> Option<B> {
        self.replace_bound(vector, Slot::Free)
    }

    fn replace_bound(&mut self, vector: u8, by: Slot<B, L>) -> Option<B> {
        let slot = self.slots.get_mut(usize::from(vector.wrapping_sub(FIRST)))?;
        assert!(matches!(slot, Slot::Bound(_)), "vector {vector} is not bound");
        match core::mem::replace(slot, by) {
            Slot::Bound(to) => Some(to),
            Slot::Free | Slot::Left(_) => None,
        }
    }

    /// An interrupt has come. `None`: nobody has the vector. `is_pending` says whether another one of that vector is waiting; only
    /// on the CPU itself, with interrupts off.
    pub fn arrived(&mut self, vector: u64, is_pending: impl FnOnce() -> bool) -> Option<Arrival<B, L>>
    where
        B: Clone,
        L: Clone,
    {
        let slot = self.slots.get_mut(vector.wrapping_sub(u64::from(FIRST)) as usize)?;
        let told = match slot {
            Slot::Free => return None,
            Slot::Bound(to) => return Some(Arrival::Bound(to.clone())),
            Slot::Left(told) => told.clone(),
        };
        if !is_pending() {
            *slot = Slot::Free;
        }
        Some(told.map_or(Arrival::Ended, Arrival::Late))
    }

    /// Frees the vectors that were left and of which no interrupt is waiting; only on the CPU itself, with interrupts off.
    pub fn settle(&mut self, is_pending: impl Fn(u8) -> bool) {
        for (slot, vector) in self.slots.iter_mut().zip(FIRST..) {
            if matches!(slot, Slot::Left(_)) && !is_pending(vector) {
                *slot = Slot::Free;
            }
        }
    }

    /// How many are not free.
    pub fn in_use(&self) -> usize {
        self.slots.iter().filter(|slot| !matches!(slot, Slot::Free)).count()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Arrival, VectorTable};

    const FIRST: u8 = 0x30;
    type Table = VectorTable<usize, usize, FIRST, 5>;

    #[test]
    fn every_vector_is_given_once_and_then_none() {
        let mut table = Table::new();
        let given: BTreeSet<_> = (0..5).map(|number| table.bind(number).unwrap()).collect();
        assert!(given.iter().copied().eq(FIRST..FIRST + 5));
        assert_eq!((table.bind(5), table.in_use()), (None, 5));
        assert_eq!((table.take_back(FIRST + 2), table.bind(6)), (Some(2), Some(FIRST + 2)));
    }

    #[test]
    fn a_vector_that_was_given_back_rests_longest() {
        let mut table = Table::new();
        assert_eq!(table.bind(0), Some(FIRST));
        assert_eq!(table.take_back(FIRST), Some(0));
        let given: Vec<_> = (0..5).map(|number| table.bind(number).unwrap()).collect();
        assert_eq!(given, [FIRST + 1, FIRST + 2, FIRST + 3, FIRST + 4, FIRST]);
    }

    #[test]
    fn other_vectors_are_nobodys() {
        let mut table = Table::new();
        for vector in [0, u64::from(FIRST) - 1, u64::from(FIRST) + 5, u64::MAX] {
            assert_eq!(table.bound(vector), None);
            assert_eq!(table.arrived(vector, || true), None);
        }
        assert_eq!(table.arrived(u64::from(FIRST), || true), None, "a free one");
    }

    #[test]
    fn a_late_interrupt_frees_what_was_left_unless_another_one_follows() {
        let mut table = Table::new();
        let vector = table.bind(7).unwrap();
        assert_eq!(table.leave(vector, Some(7)), Some(7));
        table.settle(|_| true);
        assert_eq!((table.bound(vector.into()), table.in_use()), (None, 1));
        assert_eq!(table.arrived(vector.into(), || true), Some(Arrival::Late(7)));
        assert_eq!(table.arrived(vector.into(), || false), Some(Arrival::Late(7)));
        assert_eq!((table.arrived(vector.into(), || false), table.in_use()), (None, 0));
    }

    /// What sends interrupts, in a machine of two CPUs with five vectors each.
    #[derive(Clone, Copy, Debug, Default)]
    struct Sender {
        /// CPU and vector that it is led to.
        place: Option<(usize, u8)>,
        /// Interrupts that were sent, and that came, since it was bound.
        sent: bool,
        told: bool,
    }

    const SENDERS: usize = 8;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Binds a sender on a CPU, or moves it there.
        Lead(usize, usize),
        Unbind(usize),
        Send(usize),
        /// The CPU takes one of the interrupts that wait there.
        Take(usize, usize),
        /// The CPU looks which of the vectors that were left are free.
        Settle(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..SENDERS, 0..2_usize).prop_map(|(sender, cpu)| Step::Lead(sender, cpu)),
            1 => (0..SENDERS).prop_map(Step::Unbind),
            4 => (0..SENDERS).prop_map(Step::Send),
            4 => (0..2_usize, 0..5_usize).prop_map(|(cpu, which)| Step::Take(cpu, which)),
            2 => (0..2_usize).prop_map(Step::Settle),
        ]
    }

    #[derive(Default)]
    struct Machine {
        senders: [Sender; SENDERS],
        /// Interrupts that wait, with who sent them last.
        pending: [std::collections::BTreeMap<u8, usize>; 2],
    }

    proptest! {
        /// Whatever is sent, led elsewhere, taken and looked at in any order: each interrupt is its sender's or nobody's, what is sent
        /// is told, and vectors come back.
        #[test]
        fn nothing_is_lost_and_nothing_is_told_to_another(steps in proptest::collection::vec(step(), 0..300)) {
            let mut tables = [Table::new(), Table::new()];
            let mut machine = Machine::default();
            let drain: Vec<_> = (0..2).flat_map(|cpu| (0..5).map(move |which| Step::Take(cpu, which))).collect();
            let end = drain.repeat(5).into_iter().chain([Step::Settle(0), Step::Settle(1)]);
            for step in steps.into_iter().chain(end) {
                match step {
                    Step::Lead(sender, cpu) => {
                        let Some(vector) = tables[cpu].bind(sender) else {
                            prop_assert_eq!(tables[cpu].in_use(), 5);
                            continue;
                        };
                        prop_assert!(!machine.pending[cpu].contains_key(&vector), "a vector with an interrupt under way");
                        let before = machine.senders[sender].place.replace((cpu, vector));
                        if let Some((cpu, vector)) = before {
                            prop_assert_eq!(tables[cpu].leave(vector, Some(sender)), Some(sender));
                        }
                    }
                    Step::Unbind(sender) => {
                        let before = core::mem::take(&mut machine.senders[sender]);
                        if let Some((cpu, vector)) = before.place {
                            prop_assert_eq!(tables[cpu].leave(vector, None), Some(sender));
                        }
                    }
                    Step::Send(sender) => {
                        if let Some((cpu, vector)) = machine.senders[sender].place {
                            machine.pending[cpu].insert(vector, sender);
                            machine.senders[sender].sent = true;
                        }
                    }
                    Step::Take(cpu, which) => {
                        let Some(vector) = machine.pending[cpu].keys().nth(which).copied() else { continue };
                        let sender = machine.pending[cpu].remove(&vector).unwrap();
                        match tables[cpu].arrived(vector.into(), || false) {
                            None => prop_assert!(false, "vector {} is nobody's", vector),
                            Some(Arrival::Ended) => {}
                            Some(Arrival::Bound(owner) | Arrival::Late(owner)) => {
                                prop_assert_eq!(owner, sender, "told to another");
                                machine.senders[sender].told = true;
                            }
                        }
                    }
                    Step::Settle(cpu) => tables[cpu].settle(|vector| machine.pending[cpu].contains_key(&vector)),
                }
            }
            for sender in machine.senders {
                prop_assert!(!sender.sent || sender.told, "lost");
            }
            for (cpu, table) in tables.iter().enumerate() {
                let bound = machine.senders.iter().filter(|sender| sender.place.is_some_and(|place| place.0 == cpu));
                prop_assert_eq!(table.in_use(), bound.count(), "vectors that did not come back");
            }
        }
    }
}
