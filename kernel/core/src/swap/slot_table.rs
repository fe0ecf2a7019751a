//! The slots of a store: which there are, whose contents are whole, and what their checksums are.
//!
//! Pure. A slot belongs to one page of one program, whose page table holds its number; the table here knows neither. Whoever
//! takes that entry out of the page table, to map the page again or to unmap it, frees the slot, and nobody else does.
//!
//! ```text
//!   Free ──take──► Leaving ──stored──► Stored ──return──► Returning
//!    ▲                │                   │                   │
//!    └────────────────┴──── release, or done ◄────────────────┘
//! ```
//!
//! A page can go away (be unmapped, or its program end) while its contents are on the way. The slot is unwanted from then
//! on and freed when the way is over, so that a device never writes to a slot that is somebody else's by then.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;

/// What is in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Nothing.
    Free,
    /// The contents are on their way in.
    Leaving,
    /// The contents are whole.
    Stored,
    /// The contents are on their way out of a device.
    Returning,
}

/// What a store must know of the contents of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Over the bytes that are kept: [`checksum`](super::page_codec::checksum).
    pub checksum: u64,
    /// Where they are; only the store knows what that means.
    pub place: u32,
    /// How many they are.
    pub length: u16,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    checksum: u64,
    /// Of a free slot: the next free one.
    place: u32,
    length: u16,
    state: State,
    unwanted: bool,
}

const _: () = assert!(size_of::<Slot>() == 16);

impl Slot {
    const fn new(state: State, place: u32) -> Self {
        Self { checksum: 0, place, length: 0, state, unwanted: false }
    }
}

/// Ends the list of free slots.
const NONE: u32 = u32::MAX;

/// All slots of a store.
#[derive(Debug)]
pub struct SlotTable {
    slots: Vec<Slot>,
    first_free: u32,
    in_use: u32,
}

impl SlotTable {
    /// The most slots that a table may have.
    pub const MOST: u32 = 1 << 24;

    /// A table of free slots: as many as asked for, at most [`Self::MOST`].
    ///
    /// # Errors
    /// When the heap has no room for it, 16 bytes a slot.
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    #[inline]
    pub fn new(count: u32) -> Result<Self, TryReserveError> {
        let count = count.min(Self::MOST);
        let mut slots = Vec::new();
        slots.try_reserve_exact(count as usize)?;
        slots.extend((1..=count).map(|next| Slot::new(State::Free, if next == count { NONE } else { next })));
        Ok(Self { slots, first_free: if count == 0 { NONE } else { 0 }, in_use: 0 })
    }

    /// How many slots there are.
    #[must_use]
    #[inline]
    pub fn count(&self) -> u32 {
        self.slots.len() as u32
    }

    /// How many are not free.
    #[must_use]
    #[inline]
    pub const fn in_use(&self) -> u32 {
        self.in_use
    }

    /// A slot for contents that are on their way; `None` when all are taken.
    #[inline]
    pub fn take(&mut self) -> Option<u32> {
        let number = self.first_free;
        let slot = self.slots.get_mut(number as usize)?;
        self.first_free = slot.place;
        *slot = Slot::new(State::Leaving, 0);
        self.in_use += 1;
        Some(number)
    }

    /// What is in a slot.
    ///
    /// # Panics
    /// When there is no such slot.
    #[must_use]
    #[inline]
    pub fn state(&self, number: u32) -> State {
        self.slots[number as usize].state
    }

    /// What must be known of the contents of a slot. Means something while they are stored or returning.
    #[must_use]
    #[inline]
    pub fn contents(&self, number: u32) -> Contents {
        let Slot { checksum, place, length, .. } = self.slots[number as usize];
        Contents { checksum, place, length }
    }

    /// The contents have arrived; `false` if nobody wants them any more: the slot is free then.
    ///
    /// # Panics
    /// When they were not on their way in.
    #[must_use]
    #[inline]
    pub fn stored(&mut self, number: u32, contents: Contents) -> bool {
        let slot = self.expect(number, State::Leaving);
        slot.state = State::Stored;
        (slot.checksum, slot.place, slot.length) = (contents.checksum, contents.place, contents.length);
        if slot.unwanted {
            self.free(number);
            return false;
        }
        true
    }

    /// The contents are being read.
    ///
    /// # Panics
    /// When they are not stored.
    #[inline]
    pub fn set_returning(&mut self, number: u32) {
        self.expect(number, State::Stored).state = State::Returning;
    }

    /// The contents could not be read: they are still where they were, unless nobody wants them any more.
    ///
    /// # Panics
    /// When they were not being read.
    #[inline]
    pub fn set_not_returned(&mut self, number: u32) {
        let slot = self.expect(number, State::Returning);
        slot.state = State::Stored;
        if slot.unwanted {
            self.free(number);
        }
    }

    /// The way of the contents is over, and the slot is needed no more: they are back, or never left.
    ///
    /// # Panics
    /// When the slot is free.
    #[inline]
    pub fn done(&mut self, number: u32) {
        assert_ne!(self.state(number), State::Free, "slot {number} is freed twice");
        self.free(number);
    }

    /// The page that the slot belongs to goes away; `false` if the contents are under way, so that whoever moves them
    /// frees the slot.
    ///
    /// # Panics
    /// When the slot is free, or was released before.
    #[must_use]
    #[inline]
    pub fn release(&mut self, number: u32) -> bool {
        let slot = &mut self.slots[number as usize];
        assert!(slot.state != State::Free && !slot.unwanted, "slot {number} is released twice");
        if slot.state == State::Stored {
            self.free(number);
            return true;
        }
        slot.unwanted = true;
        false
    }

    #[cfg(test)]
    fn is_unwanted(&self, number: u32) -> bool {
        self.slots[number as usize].unwanted
    }

    fn expect(&mut self, number: u32, state: State) -> &mut Slot {
        let slot = &mut self.slots[number as usize];
        assert_eq!(slot.state, state, "slot {number}");
        slot
    }

    fn free(&mut self, number: u32) {
        let next = core::mem::replace(&mut self.first_free, number);
        self.slots[number as usize] = Slot::new(State::Free, next);
        self.in_use -= 1;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Contents, SlotTable, State};

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Take,
        Stored(usize),
        Returning(usize),
        NotReturned(usize),
        Done(usize),
        Release(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Take),
            2 => any::<usize>().prop_map(Step::Stored),
            1 => any::<usize>().prop_map(Step::Returning),
            1 => any::<usize>().prop_map(Step::NotReturned),
            1 => any::<usize>().prop_map(Step::Done),
            1 => any::<usize>().prop_map(Step::Release),
        ]
    }

    proptest! {
        /// Against a map: no slot has two owners, none is lost, unwanted ones are freed when their way is over.
        #[test]
        fn behaves_like_a_map(steps in prop::collection::vec(step(), 0..300)) {
            let mut table = SlotTable::new(8).unwrap();
            let mut model: BTreeMap<u32, (State, bool)> = BTreeMap::new();
            for step in steps {
                let pick = |which: usize, states: &[State]| {
                    let fitting: std::vec::Vec<_> =
                        model.iter().filter(|(_, (state, _))| states.contains(state)).map(|(number, _)| *number).collect();
                    (!fitting.is_empty()).then(|| fitting[which % fitting.len()])
                };
                match step {
                    Step::Take => match table.take() {
                        Some(number) => {
                            prop_assert!(model.insert(number, (State::Leaving, false)).is_none());
                        }
                        None => prop_assert_eq!(model.len(), 8),
                    },
                    Step::Stored(which) => if let Some(number) = pick(which, &[State::Leaving]) {
                        let contents = Contents { checksum: u64::from(number) * 7, place: number + 100, length: 9 };
                        let unwanted = model[&number].1;
                        prop_assert_eq!(table.stored(number, contents), !unwanted);
                        if unwanted {
                            model.remove(&number);
                        } else {
                            model.insert(number, (State::Stored, false));
                            prop_assert_eq!(table.contents(number), contents);
                        }
                    },
                    Step::Returning(which) => if let Some(number) = pick(which, &[State::Stored]) {
                        table.set_returning(number);
                        model.insert(number, (State::Returning, false));
                        prop_assert_eq!(table.contents(number).place, number + 100);
                    },
                    Step::NotReturned(which) => if let Some(number) = pick(which, &[State::Returning]) {
                        table.set_not_returned(number);
                        if model[&number].1 {
                            model.remove(&number);
                        } else {
                            model.insert(number, (State::Stored, false));
                        }
                    },
                    Step::Done(which) => {
                        if let Some(number) = pick(which, &[State::Leaving, State::Stored, State::Returning]) {
                            table.done(number);
                            model.remove(&number);
                        }
                    }
                    Step::Release(which) => {
                        let number = pick(which, &[State::Leaving, State::Stored, State::Returning]);
                        if let Some(number) = number.filter(|number| !model[number].1) {
                            let state = model[&number].0;
                            prop_assert_eq!(table.release(number), state == State::Stored);
                            if state == State::Stored {
                                model.remove(&number);
                            } else {
                                model.insert(number, (state, true));
                            }
                        }
                    }
                }
                prop_assert_eq!(table.in_use() as usize, model.len());
                for number in 0..table.count() {
                    let (state, unwanted) = model.get(&number).copied().unwrap_or((State::Free, false));
                    prop_assert_eq!((table.state(number), table.is_unwanted(number)), (state, unwanted));
                }
            }
        }
    }

    #[test]
    fn an_empty_table_gives_nothing() {
        let mut table = SlotTable::new(0).unwrap();
        assert_eq!((table.take(), table.count()), (None, 0));
    }

    #[test]
    #[should_panic(expected = "released twice")]
    fn releasing_twice_is_noticed() {
        let mut table = SlotTable::new(2).unwrap();
        let slot = table.take().unwrap();
        assert!(!table.release(slot));
        let _ = table.release(slot);
    }
}
