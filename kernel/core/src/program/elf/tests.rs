//! Host tests: files made here, whole and damaged.

use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use elf::abi::PT_INTERP;

use super::*;
use crate::memory::layout::{USER_END, USER_START};

const HEADER_SIZE: usize = 64;
const PROGRAM_HEADER_SIZE: usize = 56;
const PF_R: u32 = elf::abi::PF_R;

/// A program header in the making.
#[derive(Clone, Copy, Debug)]
struct Load {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

const TEXT: Load = Load {
    kind: PT_LOAD,
    flags: PF_R | PF_X,
    offset: 0x1000,
    address: 0x40_0000,
    file_size: 0x800,
    memory_size: 0x800,
    align: 0x1000,
};
const DATA: Load =
    Load { flags: PF_R | PF_W, offset: 0x1800, address: 0x40_1800, file_size: 0x900, memory_size: 0x2000, ..TEXT };

/// The bytes of an executable with these headers: byte `n` of the contents is `n` modulo 251.
fn file(entry: u64, loads: &[Load]) -> Vec<u8> {
    file_of_type(ET_EXEC, entry, loads)
}

fn file_of_type(kind: u16, entry: u64, loads: &[Load]) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..0x2100_u32).map(|number| (number % 251) as u8).collect();
    let mut header = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header.extend(kind.to_le_bytes());
    header.extend(EM_X86_64.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header.extend(entry.to_le_bytes());
    header.extend((HEADER_SIZE as u64).to_le_bytes());
    header.extend([0; 12]);
    header.extend((HEADER_SIZE as u16).to_le_bytes());
    header.extend((PROGRAM_HEADER_SIZE as u16).to_le_bytes());
    header.extend((loads.len() as u16).to_le_bytes());
    header.extend([0; 6]);
    assert_eq!(header.len(), HEADER_SIZE);
    for load in loads {
        header.extend(load.kind.to_le_bytes());
        header.extend(load.flags.to_le_bytes());
        for field in [load.offset, load.address, load.address, load.file_size, load.memory_size, load.align] {
            header.extend(field.to_le_bytes());
        }
    }
    bytes[..header.len()].copy_from_slice(&header);
    bytes
}

/// Memory with so many pages.
#[derive(Default)]
struct Space {
    pages: BTreeMap<u64, (Rights, [u8; PAGE_SIZE as usize])>,
    room: usize,
}

impl Target for Space {
    /// The page for which there was no room.
    type Error = u64;

    fn map(&mut self, page: u64, rights: Rights, fill: impl FnOnce(&mut [u8; PAGE_SIZE as usize])) -> Result<(), u64> {
        self.room = self.room.checked_sub(1).ok_or(page)?;
        let mut bytes = [0; PAGE_SIZE as usize];
        fill(&mut bytes);
        assert!(self.pages.insert(page, (rights, bytes)).is_none(), "{page:#x} is mapped twice");
        Ok(())
    }

    fn write(&mut self, address: u64, byte: u8) {
        let page = self.pages.get_mut(&(address & !(PAGE_SIZE - 1))).expect("the page is mapped");
        page.1[(address % PAGE_SIZE) as usize] = byte;
    }
}

impl Space {
    fn with_room_for(room: usize) -> Self {
        Self { pages: BTreeMap::new(), room }
    }

    fn byte(&self, address: u64) -> u8 {
        self.pages[&(address & !(PAGE_SIZE - 1))].1[(address % PAGE_SIZE) as usize]
    }
}

#[test]
fn a_program_is_loaded_as_planned() {
    let file = file(0x40_0010, &[TEXT, DATA]);
    let mut space = Space::with_room_for(4);
    let plan = plan(&file).unwrap();
    assert_eq!((plan.load(&mut space), plan.entry()), (Ok(()), 0x40_0010));
    let pages: Vec<_> = space.pages.iter().map(|(page, (rights, _))| (*page, *rights)).collect();
    let expected = [
        (0x40_0000, Rights::ReadExecute),
        (0x40_1000, Rights::ReadWrite),
        (0x40_2000, Rights::ReadWrite),
        (0x40_3000, Rights::ReadWrite),
    ];
    assert_eq!(pages, expected);
    for address in 0x40_0000_u64..0x40_4000 {
        let contents = |load: Load| {
            let at = address.checked_sub(load.address).filter(|at| *at < load.file_size)?;
            Some(file[(load.offset + at) as usize])
        };
        assert_eq!(space.byte(address), contents(TEXT).or(contents(DATA)).unwrap_or(0), "{address:#x}");
    }
    for room in 0..4 {
        assert_eq!(plan.load(&mut Space::with_room_for(room)), Err(0x40_0000 + room as u64 * PAGE_SIZE));
    }
}

#[test]
fn each_fault_is_named() {
    let refused = |loads: &[Load]| plan(&file(0x40_0000, loads)).unwrap_err();
    assert_eq!(refused(&[]), ElfError::NoSegments);
    assert_eq!(refused(&[Load { kind: 4, ..TEXT }]), ElfError::NoSegments);
    assert_eq!(
        refused(&[TEXT, Load { offset: 0x1_0000_0800, ..DATA }]),
        ElfError::SegmentCut(1, 0x1_0000_0800, DATA.file_size)
    );
    assert_eq!(refused(&[TEXT, Load { file_size: u64::MAX, ..DATA }]), ElfError::SegmentCut(1, DATA.offset, u64::MAX));
    assert_eq!(refused(&[TEXT, Load { memory_size: 0x8ff, ..DATA }]), ElfError::FileLarger(1, 0x900, 0x8ff));
    assert_eq!(refused(&[TEXT, Load { memory_size: 0, ..DATA }]), ElfError::FileLarger(1, 0x900, 0));
    assert_eq!(refused(&[TEXT, Load { flags: PF_W | PF_X, ..DATA }]), ElfError::WriteAndExecute(1));
    let misaligned = |address, align| ElfError::Misaligned(1, address, DATA.offset, align);
    assert_eq!(refused(&[TEXT, Load { align: 3, ..DATA }]), misaligned(DATA.address, 3));
    assert_eq!(refused(&[TEXT, Load { address: 0x40_1801, ..DATA }]), misaligned(0x40_1801, 0x1000));
    // The alignment is the file's, not the page's.
    assert_eq!(refused(&[TEXT, Load { address: 0x40_2800, align: 0x2000, ..DATA }]), misaligned(0x40_2800, 0x2000));
    assert!(plan(&file(0x40_0000, &[TEXT, Load { address: 0x40_1808, align: 8, ..DATA }])).is_ok());
    assert!(plan(&file(0x40_0000, &[TEXT, Load { address: 0x40_1801, align: 1, ..DATA }])).is_ok());
    assert_eq!(
        refused(&[TEXT, Load { memory_size: MAXIMUM_MEMORY, ..DATA }]),
        ElfError::TooLarge(1, MAXIMUM_MEMORY + 0x2000)
    );
    let overlap = refused(&[TEXT, Load { address: 0x40_0800, ..DATA }]);
    assert_eq!(overlap, ElfError::Overlap(1, 0, 0x40_0000), "one page for two");
    assert_eq!(refused(&[DATA]), ElfError::BadEntry(0x40_0000));
    assert_eq!(plan(&file(0x40_0800, &[TEXT, DATA])), Err(ElfError::BadEntry(0x40_0800)));
    // In a segment, and not in one that is executable: whether it may be written makes no difference.
    for flags in [PF_R | PF_W, PF_R, 0] {
        let data = Load { flags, ..DATA };
        assert_eq!(plan(&file(0x40_1900, &[TEXT, data])), Err(ElfError::BadEntry(0x40_1900)));
    }
    assert!(plan(&file(0x40_07ff, &[TEXT, DATA])).is_ok(), "the last byte of the text");
    assert!(plan(&file(0x40_0000, &[Load { flags: PF_X, ..TEXT }])).is_ok());
    for (address, size) in [
        (0x800, 0x900),
        (USER_END - 0x800, 0x900),
        (0x8000_0000_0800, 0x900),
        (0xffff_8000_0000_0800, 0x900),
        (0xffff_ffff_ffff_f800, 0x2000),
        (0x40_1800, u64::MAX),
    ] {
        let load = Load { address, memory_size: size, ..DATA };
        assert_eq!(refused(&[TEXT, load]), ElfError::OutsideUserHalf(1, address, size));
    }
    for (reserved, what) in RESERVED {
        let last_before = Load { address: reserved.start - 0x2800, memory_size: 0x2800, ..DATA };
        assert!(plan(&file(0x40_0000, &[TEXT, last_before])).is_ok(), "right below where {what}");
        for address in [reserved.start - 0x800, reserved.start + 0x800, reserved.end - 0x800] {
            let load = Load { address, memory_size: 0x900, ..DATA };
            let expected = if address + 0x900 > USER_END {
                ElfError::OutsideUserHalf(1, address, 0x900)
            } else {
                ElfError::Reserved(1, address, 0x900, what)
            };
            assert_eq!(refused(&[TEXT, load]), expected);
        }
    }
    let mut many = vec![TEXT];
    many.extend((1..=MAXIMUM_SEGMENTS as u64).map(|n| Load { address: 0x40_0800 + n * 0x10000, ..DATA }));
    assert_eq!(refused(&many), ElfError::TooManySegments);
    assert_eq!(refused(&[TEXT; MAXIMUM_PROGRAM_HEADERS + 1]), ElfError::TooManyHeaders(65));
}

#[test]
fn what_is_just_allowed_is_planned() {
    let data = |number: u64| Load { address: 0x40_1800 + number * 0x1_0000, ..DATA };
    let mut most = vec![TEXT];
    most.extend((1..MAXIMUM_SEGMENTS as u64).map(data));
    let note = Load { kind: 4, ..TEXT };
    most.extend([note; MAXIMUM_PROGRAM_HEADERS - MAXIMUM_SEGMENTS]);
    let whole = file(0x40_0000, &most);
    assert_eq!(plan(&whole).map(|plan| plan.segments.len()), Ok(MAXIMUM_SEGMENTS));
    // The text takes a page, and the data begins in the middle of one.
    let largest = MAXIMUM_MEMORY - 0x1000 - 0x800;
    assert!(plan(&file(0x40_0000, &[TEXT, Load { memory_size: largest, ..DATA }])).is_ok());
    let refused = plan(&file(0x40_0000, &[TEXT, Load { memory_size: largest + 1, ..DATA }])).err();
    assert_eq!(refused, Some(ElfError::TooLarge(1, MAXIMUM_MEMORY + 0x1000)));
    let last = Load { offset: 0x2000, file_size: 0x100, ..DATA };
    assert!(plan(&file(0x40_0000, &[TEXT, Load { address: 0x40_2000, ..last }])).is_ok(), "the file's last byte");
}

#[test]
fn each_wrong_header_is_named() {
    let changed = |place: usize, value: u8| {
        let mut bytes = file(0x40_0000, &[TEXT, DATA]);
        bytes[place] = value;
        plan(&bytes).unwrap_err()
    };
    assert_eq!(changed(0, 0), ElfError::NotElf);
    assert_eq!(changed(4, 1), ElfError::WrongClass);
    assert_eq!(changed(4, 9), ElfError::WrongClass);
    assert_eq!(changed(5, 2), ElfError::WrongClass);
    assert_eq!(changed(6, 0), ElfError::NotElf);
    assert_eq!(changed(16, 3), ElfError::NoDynamicTable);
    assert_eq!(changed(16, 1), ElfError::WrongType(1));
    assert_eq!(changed(18, 40), ElfError::WrongMachine(40));
    assert_eq!(changed(39, 1), ElfError::HeadersCut(0x0100_0000_0000_0040));
    assert_eq!(changed(54, 32), ElfError::HeaderSize(32));
    for length in [0, 15, 16, 63] {
        assert_eq!(plan(&file(0x40_0000, &[TEXT])[..length]), Err(ElfError::TooShort(length)));
    }
    assert_eq!(plan(&file(0x40_0000, &[TEXT])[..100]), Err(ElfError::HeadersCut(0x40)));
}

/// What must hold for any plan.
fn assert_safe(plan: &Plan<'_>) {
    let mut pages = Vec::new();
    for segment in &plan.segments {
        assert!(segment.memory.start() >= USER_START && segment.memory.end() <= USER_END);
        assert!(segment.file.len() as u64 <= segment.memory.length());
        pages.extend(segment.memory.pages());
    }
    assert!(pages.len() as u64 * PAGE_SIZE <= MAXIMUM_MEMORY);
    let count = pages.len();
    pages.sort_unstable();
    pages.dedup();
    assert_eq!(pages.len(), count, "a page is used twice");
    assert!(plan.segments.iter().any(|segment| segment.rights.can_execute() && segment.holds(plan.entry, 1)));
    for (reserved, what) in RESERVED {
        assert!(!pages.iter().any(|page| reserved.contains(page)), "a page where {what}");
    }
    for (word, _) in plan.relocations.words() {
        let word = word.wrapping_add(plan.base);
        let writable = |segment: &Segment<'_>| segment.rights == Rights::ReadWrite && segment.holds(word, WORD);
        assert!(plan.segments.iter().any(writable), "{word:#x} is relocated");
    }
}

/// Tries so many damaged files, or those that the environment asks for by GATEHOUSE_ELF_CASES.
fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("GATEHOUSE_ELF_CASES").ok().and_then(|number| number.parse().ok());
    ProptestConfig::with_cases(asked.unwrap_or(usual))
}

/// Numbers that lie near the edges of what is allowed.
fn edge() -> impl Strategy<Value = u64> {
    let bases =
        [0, 0x1000, 0x1800, 0x2100, 0x40_0000, USER_END, 0x8000_0000_0000, 0xffff_8000_0000_0000, MAXIMUM_MEMORY];
    (prop::sample::select(bases.to_vec()), -0x1000_i64..0x1000).prop_map(|(base, off)| base.wrapping_add_signed(off))
}

fn load_strategy() -> impl Strategy<Value = Load> {
    (
        prop::sample::select(vec![PT_LOAD, PT_LOAD, PT_LOAD, 0, 4, PT_INTERP, PT_DYNAMIC]),
        0_u32..8,
        edge(),
        edge(),
        edge(),
        edge(),
        0_u64..3,
    )
        .prop_map(|(kind, flags, offset, address, file_size, memory_size, align)| Load {
            kind,
            flags,
            offset,
            address,
            file_size,
            memory_size,
            align,
        })
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn random_bytes_are_refused_or_safe(bytes in prop::collection::vec(any::<u8>(), 0..300), real in any::<bool>()) {
        let mut bytes = bytes;
        if real {
            let whole = file(0x40_0000, &[TEXT, DATA]);
            let length = bytes.len().min(20);
            bytes[..length].copy_from_slice(&whole[..length]);
        }
        if let Ok(plan) = plan(&bytes) {
            assert_safe(&plan);
        }
    }

    #[test]
    fn damaged_programs_are_refused_or_safe(
        changes in prop::collection::vec((0_usize..HEADER_SIZE + 2 * PROGRAM_HEADER_SIZE, any::<u8>()), 0..6),
        length in 0_usize..0x2100,
        cut in any::<bool>(),
    ) {
        let mut bytes = file(0x40_0000, &[TEXT, DATA]);
        for (place, value) in changes {
            bytes[place] = value;
        }
        if cut {
            bytes.truncate(length);
        }
        if let Ok(plan) = plan(&bytes) {
            assert_safe(&plan);
        }
    }

    #[test]
    fn strange_segments_are_refused_or_safe(loads in prop::collection::vec(load_strategy(), 0..5), entry in edge()) {
        if let Ok(plan) = plan(&file(entry, &loads)) {
            assert_safe(&plan);
        }
    }
}

mod position_independent;
