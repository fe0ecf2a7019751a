//! Host tests on the arena of `test_memory`.

extern crate std;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::memory::{frame, test_memory};

fn frames_in_use() -> u64 {
    let counters = frame::counters();
    counters.total - counters.free
}

fn rights() -> impl Strategy<Value = Rights> {
    prop_oneof![Just(Rights::Read), Just(Rights::ReadWrite), Just(Rights::ReadExecute)]
}

/// Few pages, far apart and close together, the first and the last of the user half among them.
fn page() -> impl Strategy<Value = VirtAddr> {
    let addresses = prop_oneof![
        Just(USER_START),
        Just(USER_END - PAGE_SIZE),
        (0_u64..3).prop_map(|number| 0x40_0000 + number * PAGE_SIZE),
        (0_u64..3).prop_map(|number| 0x1f_ffff_f000 + number * PAGE_SIZE),
    ];
    addresses.prop_map(VirtAddr::new)
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Map(VirtAddr, Rights),
    Unmap(VirtAddr),
    Protect(VirtAddr, Rights),
    SwapOut(VirtAddr, u64),
    BringBack(VirtAddr),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (page(), rights()).prop_map(|(page, rights)| Step::Map(page, rights)),
        2 => page().prop_map(Step::Unmap),
        1 => (page(), rights()).prop_map(|(page, rights)| Step::Protect(page, rights)),
        1 => (page(), 0..TOKEN_LIMIT).prop_map(|(page, token)| Step::SwapOut(page, token)),
        1 => page().prop_map(Step::BringBack),
    ]
}

proptest! {
    /// Every operation against a map of states; then all frames are back.
    #[test]
    fn behaves_like_a_map(steps in prop::collection::vec(step(), 0..60)) {
        let _guard = test_memory::frames();
        let before = frames_in_use();
        let mut space = AddressSpace::new_without_kernel().unwrap();
        let mut model: BTreeMap<VirtAddr, PageState> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Map(page, rights) => {
                    let new = Frame::allocate().unwrap();
                    let frame = new.address();
                    let result = space.map(page, new, rights);
                    match model.entry(page) {
                        Entry::Occupied(_) => prop_assert_eq!(result, Err(MapError::AlreadyMapped(page))),
                        Entry::Vacant(empty) => {
                            prop_assert_eq!(result, Ok(()));
                            empty.insert(PageState::Mapped { frame, rights });
                        }
                    }
                }
                Step::Unmap(page) => match (space.unmap(page), model.remove(&page)) {
                    (Ok(Unmapped::Frame(stale)), Some(PageState::Mapped { frame, .. })) => {
                        prop_assert_eq!(stale.page(), page);
                        // SAFETY: no CPU ran this address space.
                        prop_assert_eq!(unsafe { stale.after_flush() }.address(), frame);
                    }
                    (Ok(Unmapped::SwappedOut(seen)), Some(PageState::SwappedOut { token, .. })) => prop_assert_eq!(seen, token),
                    (Err(error), None) => prop_assert_eq!(error, MapError::NotMapped(page)),
                    other => prop_assert!(false, "{:?}", other),
                },
                Step::Protect(page, new) => {
                    let result = space.protect(page, new);
                    prop_assert_eq!(result.is_ok(), model.contains_key(&page));
                    if let Some(PageState::Mapped { rights, .. } | PageState::SwappedOut { rights, .. }) = model.get_mut(&page) {
                        *rights = new;
                    }
                }
                Step::SwapOut(page, token) => match (space.swap_out(page, token), model.get(&page).copied()) {
                    (Ok(stale), Some(PageState::Mapped { frame, rights })) => {
                        // SAFETY: no CPU ran this address space.
                        prop_assert_eq!(unsafe { stale.after_flush() }.address(), frame);
                        model.insert(page, PageState::SwappedOut { token, rights });
                    }
                    (Err(MapError::NotMapped(_)), None | Some(PageState::SwappedOut { .. })) => {}
                    other => prop_assert!(false, "{:?}", other),
                },
                Step::BringBack(page) => {
                    let new = Frame::allocate().unwrap();
                    let frame = new.address();
                    match (space.swap_in(page, new), model.get(&page).copied()) {
                        (Ok(seen), Some(PageState::SwappedOut { token, rights })) => {
                            prop_assert_eq!(seen, token);
                            model.insert(page, PageState::Mapped { frame, rights });
                        }
                        (Err(MapError::NotMapped(_)), None) => {}
                        (Err(MapError::AlreadyMapped(_)), Some(PageState::Mapped { .. })) => {}
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
            }
            let mut seen = Vec::new();
            space.for_each_page(|page, state| seen.push((page, state)));
            prop_assert_eq!(seen, model.iter().map(|(page, state)| (*page, *state)).collect::<Vec<_>>());
            let mapped = model.values().filter(|state| matches!(state, PageState::Mapped { .. })).count() as u64;
            prop_assert_eq!(space.mapped, mapped);
            prop_assert_eq!(frames_in_use() - before, space.frames());
        }
        for (page, state) in &model {
            prop_assert_eq!(space.page(*page + 0x123), *state);
            let expected = match *state {
                PageState::Mapped { frame, rights } => Some(Translation { physical: frame + 0x123, rights }),
                _ => None,
            };
            prop_assert_eq!(space.translate(*page + 0x123), expected);
        }
        drop(space);
        prop_assert_eq!(frames_in_use(), before);
    }
}

#[test]
fn only_pages_of_the_user_half_can_be_mapped() {
    let _guard = test_memory::frames();
    let before = frames_in_use();
    let mut space = AddressSpace::new_without_kernel().unwrap();
    let mut refused = |page| {
        let page = VirtAddr::new(page);
        space.map(page, Frame::allocate().unwrap(), Rights::Read).unwrap_err()
    };
    assert_eq!(refused(0x1001), MapError::NotAligned(VirtAddr::new(0x1001)));
    for page in [0, USER_START - PAGE_SIZE, USER_END, 0xffff_8000_0000_0000, 0xffff_ffff_ffff_f000] {
        assert_eq!(refused(page), MapError::OutsideUserHalf(page, PAGE_SIZE));
    }
    for address in [0, USER_END, 0xffff_8000_0000_0000, u64::MAX] {
        assert_eq!(space.page(VirtAddr::new(address)), PageState::Unmapped);
        assert_eq!(space.translate(VirtAddr::new(address)), None);
    }
    drop(space);
    assert_eq!(frames_in_use(), before);
}

#[test]
fn gaps_are_found() {
    let _guard = test_memory::frames();
    let mut space = AddressSpace::new_without_kernel().unwrap();
    for number in [32, 33, 36] {
        space.map(VirtAddr::new(number * PAGE_SIZE), Frame::allocate().unwrap(), Rights::Read).unwrap();
    }
    let page = |number: u64| Some(VirtAddr::new(number * PAGE_SIZE));
    assert_eq!(space.find_unmapped(32 * PAGE_SIZE, 2), page(34));
    assert_eq!(space.find_unmapped(32 * PAGE_SIZE, 3), page(37));
    assert_eq!(space.find_unmapped(0, 3), Some(VirtAddr::new(USER_START)));
    assert_eq!(space.find_unmapped(0, 0), None);
    assert_eq!(space.find_unmapped(USER_END - PAGE_SIZE, 1), Some(VirtAddr::new(USER_END - PAGE_SIZE)));
    assert_eq!(space.find_unmapped(USER_END - PAGE_SIZE, 2), None);
    assert_eq!(space.find_unmapped(u64::MAX, 1), None);
    assert_eq!(space.find_unmapped(0, u64::MAX), None);
}

#[test]
fn clearing_shows_the_tokens() {
    let _guard = test_memory::frames();
    let before = frames_in_use();
    let mut space = AddressSpace::new_without_kernel().unwrap();
    for page in [0x40_1000, 0x40_2000] {
        space.map(VirtAddr::new(page), Frame::allocate().unwrap(), Rights::ReadWrite).unwrap();
    }
    // SAFETY: no CPU ran this address space.
    drop(unsafe { space.swap_out(VirtAddr::new(0x40_2000), 77).unwrap().after_flush() });
    let mut tokens = Vec::new();
    // SAFETY: as above.
    unsafe { space.clear(|token| tokens.push(token)) };
    assert_eq!(tokens, [77]);
    assert_eq!(space.page(VirtAddr::new(0x40_1000)), PageState::Unmapped);
    drop(space);
    assert_eq!(frames_in_use(), before);
}

#[test]
fn accessed_bits_are_taken() {
    let _guard = test_memory::frames();
    let mut space = AddressSpace::new_without_kernel().unwrap();
    space.map(VirtAddr::new(0x40_1000), Frame::allocate().unwrap(), Rights::ReadWrite).unwrap();
    assert!(!space.take_accessed(VirtAddr::new(0x40_1000)));
    let entry = space.tables.entry_mut(VirtAddr::new(0x40_1000)).unwrap();
    let flags = entry.flags();
    entry.set_flags(flags | PageTableFlags::ACCESSED);
    assert!(space.take_accessed(VirtAddr::new(0x40_1000)));
    assert!(!space.take_accessed(VirtAddr::new(0x40_1000)));
    assert!(!space.take_accessed(VirtAddr::new(0x40_2000)));
}
