//! Programs that may lie anywhere.

use elf::abi::{
    DT_JMPREL, DT_NEEDED, DT_NULL, DT_REL, DT_RELA, DT_RELAENT, DT_RELASZ, DT_TEXTREL, PT_INTERP, R_X86_64_RELATIVE,
};

use super::*;

/// Text at 0, data at 0x1800 with the dynamic table at its begin and relocations behind it.
const PIE_TEXT: Load = Load { address: 0, ..TEXT };
const PIE_DATA: Load = Load { address: 0x1800, ..DATA };
const DYNAMIC: Load = Load { kind: PT_DYNAMIC, address: 0x1800, file_size: 0x100, memory_size: 0x100, ..DATA };
const LOADS: [Load; 3] = [PIE_TEXT, PIE_DATA, DYNAMIC];
const TABLE: u64 = 0x1900;

/// An entry of the dynamic table, and its value.
type Tag = (i64, u64);

/// Address, type and addend.
type Relocation = (u64, u32, i64);

const RELATIVE: u32 = R_X86_64_RELATIVE;

fn tags(relocations: &[Relocation]) -> [Tag; 3] {
    [(DT_RELA, TABLE), (DT_RELASZ, relocations.len() as u64 * 24), (DT_RELAENT, 24)]
}

fn with_tables(mut file: Vec<u8>, tags: &[Tag], relocations: &[Relocation]) -> Vec<u8> {
    let dynamic = tags.iter().chain(&[(DT_NULL, 0)]).flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()]);
    let dynamic: Vec<u8> = dynamic.flatten().collect();
    file[0x1800..0x1800 + dynamic.len()].copy_from_slice(&dynamic);
    let words = relocations.iter().flat_map(|(address, kind, addend)| {
        [address.to_le_bytes(), u64::from(*kind).to_le_bytes(), addend.to_le_bytes()]
    });
    let words: Vec<u8> = words.flatten().collect();
    file[0x1900..0x1900 + words.len()].copy_from_slice(&words);
    file
}

fn program(loads: &[Load], tags: &[Tag], relocations: &[Relocation]) -> Vec<u8> {
    with_tables(file_of_type(ET_DYN, 0x10, loads), tags, relocations)
}

#[test]
fn words_are_relocated_and_nothing_else() {
    // The second lies on two pages; the fourth is in what the file does not have.
    let relocations =
        [(0x1a00, RELATIVE, 0x10), (0x1ffc, RELATIVE, 0x1234_5678), (0x1b01, RELATIVE, -8), (0x37f8, RELATIVE, 0)];
    let file = program(&LOADS, &tags(&relocations), &relocations);
    let mut space = Space::with_room_for(4);
    let plan = plan(&file).unwrap();
    assert_eq!((plan.load(&mut space), plan.entry()), (Ok(()), BASE + 0x10));
    for address in (0..0x800).chain(0x1800..0x3800) {
        let changed = relocations.iter().find(|(word, ..)| (*word..word + 8).contains(&address));
        let expected = match changed {
            Some((word, _, addend)) => BASE.wrapping_add_signed(*addend).to_le_bytes()[(address - word) as usize],
            None if address < 0x800 => file[(0x1000 + address) as usize],
            None if address < 0x2100 => file[address as usize],
            None => 0,
        };
        assert_eq!(space.byte(BASE + address), expected, "{address:#x}");
    }
}

#[test]
fn the_base_is_as_the_segments_are_aligned() {
    for (align, base) in [(0x1000, BASE), (0x20_0000, BASE), (0x4000_0000, 0x4000_0000), (1 << 45, 1 << 45)] {
        let text = Load { align, offset: 0, ..PIE_TEXT };
        let file = program(&[text, PIE_DATA, DYNAMIC], &[], &[]);
        assert_eq!(plan(&file).map(|plan| plan.entry()), Ok(base + 0x10));
    }
    let text = Load { align: 1 << 47, offset: 0, ..PIE_TEXT };
    let refused = plan(&program(&[text, PIE_DATA, DYNAMIC], &[], &[])).err();
    assert_eq!(refused, Some(ElfError::OutsideUserHalf(0, 1 << 47, 0x800)));
    let high = Load { address: u64::MAX - 0xfff, offset: 0x1000, ..PIE_DATA };
    let refused = plan(&program(&[PIE_TEXT, high, DYNAMIC], &[], &[])).err();
    assert_eq!(refused, Some(ElfError::OutsideUserHalf(1, u64::MAX - 0xfff, 0x2000)));
}

/// Asking for an interpreter is no harm: there is nothing for it to do if no library is needed.
#[test]
fn an_interpreter_is_not_asked() {
    let interpreter = Load { kind: PT_INTERP, ..DYNAMIC };
    assert!(plan(&program(&[interpreter, PIE_TEXT, PIE_DATA, DYNAMIC], &[], &[])).is_ok());
}

#[test]
fn each_fault_of_the_tables_is_named() {
    let refused = |tags: &[Tag], relocations: &[Relocation]| plan(&program(&LOADS, tags, relocations)).unwrap_err();
    assert_eq!(plan(&program(&LOADS[..2], &[], &[])), Err(ElfError::NoDynamicTable));
    assert_eq!(refused(&[(DT_NEEDED, 1), (DT_NEEDED, 9)], &[]), ElfError::NeedsLibraries(2));
    assert_eq!(refused(&[(DT_RELAENT, 16)], &[]), ElfError::RelocationSize(16));
    for (tag, name) in [(DT_REL, "DT_REL"), (DT_JMPREL, "DT_JMPREL"), (DT_TEXTREL, "DT_TEXTREL"), (36, "DT_RELR")] {
        assert_eq!(refused(&[(tag, 0x77)], &[]), ElfError::WrongRelocations(name, 0x77));
    }
    for (address, size) in
        [(TABLE, 23), (0x20e8, 0x30), (u64::MAX - 0x10, 48), (TABLE, u64::MAX / 24 * 24), (0x2100, 24)]
    {
        assert_eq!(refused(&[(DT_RELA, address), (DT_RELASZ, size)], &[]), ElfError::RelocationsCut(address, size));
    }
    let one = |relocation| refused(&tags(&[relocation]), &[relocation]);
    assert_eq!(one((0x1a00, 1, 0)), ElfError::WrongRelocation(0, 1));
    assert_eq!(one((0x1a00, 6, 0)), ElfError::WrongRelocation(0, 6));
    // In the text, before and behind the data, at its last byte, and where the sum wraps.
    for word in [0, 0x7f8, 0x17fc, 0x37f9, 0x3800, 0u64.wrapping_sub(BASE), u64::MAX, 0x8000_0000_0000] {
        assert_eq!(one((word, RELATIVE, 0)), ElfError::RelocationOutside(0, word), "{word:#x}");
    }
    let cut = Load { offset: 0x2100, ..DYNAMIC };
    let refused = plan(&program(&[PIE_TEXT, PIE_DATA, cut], &[], &[])).err();
    assert_eq!(refused, Some(ElfError::SegmentCut(2, 0x2100, 0x100)));
}

/// What a program with fixed addresses has relocated, it has relocated where it says.
#[test]
fn fixed_addresses_stay() {
    let relocation = [(0x40_1a00, RELATIVE, 0x40_0010)];
    let tags = [(DT_RELA, 0x40_1900), (DT_RELASZ, 24)];
    let dynamic = Load { address: 0x40_1800, ..DYNAMIC };
    let file = with_tables(file(0x40_0000, &[TEXT, DATA, dynamic]), &tags, &relocation);
    let plan = plan(&file).unwrap();
    assert_eq!((plan.base, plan.relocations.words().collect::<Vec<_>>()), (0, vec![(0x40_1a00, 0x40_0010)]));
}

/// Addresses, most of them within the data.
fn near() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0x1800..0x3808_u64, 1 => edge(), 1 => any::<u64>()]
}

fn relocation() -> impl Strategy<Value = Relocation> {
    (near(), prop_oneof![9 => Just(RELATIVE), 1 => any::<u32>()], any::<i64>())
}

proptest! {
    #![proptest_config(cases(1000))]

    /// Any tables, and any damage to a program that has some: it is refused, or nothing but words of writable segments are
    /// changed. What is planned can be loaded.
    #[test]
    fn damaged_tables_are_refused_or_safe(
        more in prop::collection::vec((0..40_i64, near()), 0..4),
        relocations in prop::collection::vec(relocation(), 0..12),
        changes in prop::collection::vec((0_usize..0x1b00, any::<u8>()), 0..4),
        loaded in 0..20_u8,
    ) {
        let all: Vec<Tag> = tags(&relocations).into_iter().chain(more).collect();
        let mut bytes = program(&LOADS, &all, &relocations);
        for (place, value) in changes {
            bytes[place] = value;
        }
        if let Ok(plan) = plan(&bytes) {
            assert_safe(&plan);
            let pages: usize = plan.segments.iter().map(|segment| segment.memory.pages().count()).sum();
            if loaded == 0 && pages < 100 {
                let mut space = Space::with_room_for(pages);
                prop_assert_eq!((plan.load(&mut space), space.pages.len()), (Ok(()), pages));
            }
        }
    }
}
