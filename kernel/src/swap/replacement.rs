//! The clock: which pages of a program go.
//!
//! The hand goes round over the program's pages. A page that was used since the hand passed last is spared this time; the
//! first ones that were not used go.

use gatehouse_core::memory::layout::{PAGE_SIZE, USER_START};
use heapless::Vec;
use x86_64::VirtAddr;

use crate::memory::AddressSpace;
use crate::memory::address_space::PageState;

/// The most pages that go at a time: other CPUs are made to forget them by one interrupt, and the kernel, which cannot be
/// interrupted, has stored them within a few milliseconds even in emulation.
pub const BATCH: usize = 16;

/// Pages that go.
pub type Victims = Vec<VirtAddr, BATCH>;

/// How far the hand goes at a time.
const LOOKS: usize = 2048;

/// Moves the hand over the address space until [`BATCH`] pages are chosen, or it has gone far enough. Answers them, and
/// whether the hand came to the end, where it begins anew.
pub fn choose(space: &mut AddressSpace, hand: &mut u64, is_pinned: impl Fn(VirtAddr) -> bool) -> (Victims, bool) {
    let mut victims = Victims::new();
    for _ in 0..LOOKS {
        let Some((page, state)) = space.next_page(VirtAddr::new(*hand)) else {
            *hand = USER_START;
            return (victims, true);
        };
        *hand = page.as_u64() + PAGE_SIZE;
        if !matches!(state, PageState::Mapped { .. }) || is_pinned(page) || space.take_accessed(page) {
            continue;
        }
        if victims.push(page).is_err() || victims.is_full() {
            break;
        }
    }
    (victims, false)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;

    use gatehouse_core::memory::Rights;
    use gatehouse_core::memory::layout::PAGE_SIZE;
    use proptest::prelude::*;
    use x86_64::VirtAddr;

    use super::{BATCH, choose};
    use crate::memory::address_space::PageState;
    use crate::memory::{AddressSpace, Frame, test_memory};

    const FIRST: u64 = 0x40_0000;

    fn space(pages: u64) -> AddressSpace {
        let mut space = AddressSpace::new_without_kernel().unwrap();
        for number in 0..pages {
            space.map(page(number), Frame::allocate().unwrap(), Rights::ReadWrite).unwrap();
        }
        space
    }

    const fn page(number: u64) -> VirtAddr {
        VirtAddr::new(FIRST + number * PAGE_SIZE)
    }

    #[test]
    fn used_pages_have_a_second_chance() {
        let _guard = test_memory::frames();
        let mut space = space(4);
        space.set_accessed(page(0));
        space.set_accessed(page(2));
        let mut hand = 0;
        let (victims, ended) = choose(&mut space, &mut hand, |_| false);
        assert_eq!((victims.as_slice(), ended), ([page(1), page(3)].as_slice(), true));
        let (victims, _) = choose(&mut space, &mut hand, |_| false);
        assert_eq!(victims.len(), 4, "the chance is used up");
    }

    #[test]
    fn the_hand_goes_on_where_it_was() {
        let _guard = test_memory::frames();
        let mut space = space(3 * BATCH as u64);
        let mut hand = 0;
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            let (victims, ended) = choose(&mut space, &mut hand, |_| false);
            assert!(!ended);
            seen.extend(victims);
        }
        assert_eq!(seen.len(), 3 * BATCH);
        assert!(choose(&mut space, &mut hand, |_| false).1);
    }

    proptest! {
        /// Pinned pages, pages that are swapped out and pages just used never go; all others do, within one turn.
        #[test]
        fn only_what_may_go_goes(kinds in prop::collection::vec(0..4_u8, 1..60)) {
            let _guard = test_memory::frames();
            let mut space = space(kinds.len() as u64);
            for (number, kind) in (0..).zip(&kinds) {
                match kind {
                    1 => space.set_accessed(page(number)),
                    // SAFETY: no CPU runs this address space.
                    2 => drop(unsafe { space.swap_out(page(number), number).unwrap().after_flush() }),
                    _ => {}
                }
            }
            let pinned = |page: VirtAddr| kinds[((page.as_u64() - FIRST) / PAGE_SIZE) as usize] == 3;
            let (mut hand, mut chosen) = (0, BTreeSet::new());
            loop {
                let (victims, ended) = choose(&mut space, &mut hand, pinned);
                chosen.extend(victims);
                if ended {
                    break;
                }
            }
            let expected: BTreeSet<_> =
                (0..).zip(&kinds).filter(|(_, kind)| **kind == 0).map(|(number, _)| page(number)).collect();
            prop_assert_eq!(chosen, expected);
            for number in 0..kinds.len() as u64 {
                prop_assert!(space.page(page(number)) != PageState::Unmapped);
            }
        }
    }
}
