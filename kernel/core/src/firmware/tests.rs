//! Tables as machines have them, tables as odd as machines have had them, and tables with any bytes changed.

use std::fmt;
use std::string::{String, ToString};
use std::sync::LazyLock;
use std::vec::Vec;

use super::bytes::{sum, u8_at, u32_at};
use super::{FixedTable, Name, Oddity, PhysicalMemory, Reason, Tables, Unusable};

/// Recorded from QEMU 10.0.2: FADTs of revision 3 and 1, MADTs of 4 and of 288 CPUs.
const FADT: &[u8] = include_bytes!("recorded/q35.fadt");
const FADT_1: &[u8] = include_bytes!("recorded/pc.fadt");
static MADT: LazyLock<Vec<u8>> = LazyLock::new(|| recorded("q35_4_cpus.madt"));
static LONG_MADT: LazyLock<Vec<u8>> = LazyLock::new(|| recorded("q35_288_cpus.madt"));

/// A table that the library's tests have as well.
fn recorded(name: &str) -> Vec<u8> {
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo tells the tests their package");
    std::fs::read(std::format!("{package}/../../smp/tests/tables/{name}")).expect("the table is there")
}

const POINTER: u64 = 0xf_5b00;
const XSDT: u64 = 0x1f_0000;
const RSDT: u64 = 0x1f_1000;
const TABLES: u64 = 0x1f_2000;
/// Room for each table.
const ROOM: u64 = 0x2000;

/// Memory at a few places.
#[derive(Clone)]
struct Memory(Vec<(u64, Vec<u8>)>);

impl PhysicalMemory for Memory {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let Some(end) = address.checked_add(buffer.len() as u64) else { return false };
        let found = self.0.iter().find(|(start, bytes)| *start <= address && end <= start + bytes.len() as u64);
        let Some((start, bytes)) = found else { return false };
        let offset = (address - start) as usize;
        buffer.copy_from_slice(&bytes[offset..offset + buffer.len()]);
        true
    }
}

/// Makes the bytes add up to 0, by the one at an offset.
fn seal(bytes: &mut [u8], offset: usize) {
    bytes[offset] = 0;
    bytes[offset] = sum(bytes).wrapping_neg();
}

fn root(name: &[u8; 4], entries: impl Iterator<Item = u64>) -> Vec<u8> {
    let entry_bytes = if name == b"XSDT" { 8 } else { 4 };
    let mut bytes = std::vec![0; 36];
    bytes[..4].copy_from_slice(name);
    entries.for_each(|entry| bytes.extend(&entry.to_le_bytes()[..entry_bytes]));
    let length = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    seal(&mut bytes, 9);
    bytes
}

/// A machine with a root pointer of revision 2, both root tables, and these tables.
fn machine(tables: &[&[u8]]) -> Memory {
    let mut pointer = std::vec![0; 36];
    pointer[..8].copy_from_slice(b"RSD PTR ");
    pointer[15] = 2;
    pointer[16..20].copy_from_slice(&(RSDT as u32).to_le_bytes());
    pointer[20] = 36;
    pointer[24..32].copy_from_slice(&XSDT.to_le_bytes());
    seal(&mut pointer[..20], 8);
    seal(&mut pointer, 32);
    let places = || (0..tables.len() as u64).map(|index| TABLES + index * ROOM);
    let roots = [(POINTER, pointer), (XSDT, root(b"XSDT", places())), (RSDT, root(b"RSDT", places()))];
    Memory(roots.into_iter().chain(places().zip(tables.iter().map(|table| table.to_vec()))).collect())
}

impl Memory {
    fn at(&mut self, address: u64) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(start, _)| *start == address).unwrap().1
    }
}

/// A table of CPUs that is too short.
#[derive(Debug, PartialEq, Eq)]
struct TooShort(usize);

impl fmt::Display for TooShort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} bytes", self.0)
    }
}

/// How many CPUs a table lists that are in use, by their local APICs (types 0 and 9): as much of it as tells tables apart.
fn count_cpus(bytes: &[u8]) -> Result<usize, TooShort> {
    const FIXED_BYTES: usize = 44;
    let mut entries = bytes.get(FIXED_BYTES..).ok_or(TooShort(bytes.len()))?;
    let mut count = 0;
    while let (Some(kind), Some(length)) = (u8_at(entries, 0), u8_at(entries, 1)) {
        let flags_at = match kind {
            0 => 4,
            9 => 8,
            _ => usize::MAX - 4,
        };
        count += usize::from(u32_at(entries, flags_at).is_some_and(|flags| flags & 1 != 0));
        entries = entries.get(usize::from(length.max(2))..).unwrap_or(&[]);
    }
    Ok(count)
}

/// What the kernel takes from the tables, and what it tells.
#[derive(Debug)]
struct Seen {
    cpus: Result<usize, Unusable>,
    timer: Result<Option<u16>, Unusable>,
    told: Vec<Oddity>,
    refused: Vec<TooShort>,
}

fn look(memory: &Memory) -> Result<Seen, Unusable> {
    let told = core::cell::RefCell::new(Vec::new());
    let tell = |oddity| told.borrow_mut().push(oddity);
    let tables = Tables::behind(memory, POINTER, tell)?;
    let mut refused = Vec::new();
    let cpus = tables.find(Name::MADT, count_cpus, tell, |_, error| refused.push(error));
    let mut ports = 0;
    let fixed = |bytes: &[u8]| {
        let table = FixedTable::new(bytes);
        for (range, _) in table.ports() {
            assert!(range.start < range.end && range.end <= 0x1_0000, "{range:x?}");
            ports += 1;
        }
        Ok::<_, core::convert::Infallible>(table.timer_port())
    };
    let timer = tables.find(Name::FADT, fixed, tell, |_, never| match never {});
    Ok(Seen { cpus, timer, told: told.into_inner(), refused })
}

fn is_whole(seen: &Seen) -> bool {
    seen.cpus == Ok(4) && seen.timer == Ok(Some(0x608))
}

/// All is found, and told of are these: table, offset.
#[track_caller]
fn whole_with(memory: &Memory, expected: &[(&[u8; 4], u64, Reason)]) {
    let seen = look(memory).unwrap();
    assert!(is_whole(&seen), "{seen:?}");
    let told: Vec<_> = seen.told.iter().map(|oddity| (oddity.table, oddity.offset, oddity.reason)).collect();
    let expected: Vec<_> = expected.iter().map(|(name, offset, reason)| (Name(**name), *offset, *reason)).collect();
    assert_eq!(told, expected);
}

#[test]
fn an_ordinary_machine_has_nothing_odd() {
    whole_with(&machine(&[FADT, &MADT]), &[]);
    whole_with(&machine(&[&MADT, FADT_1]), &[]);
    let long = look(&machine(&[&LONG_MADT])).unwrap();
    assert_eq!(long.cpus, Ok(288));
    assert_eq!(long.timer, Err(Unusable::Missing(Name::FADT)));
}

#[test]
fn names_of_makers_are_nobodys_business() {
    let mut memory = machine(&[FADT, &MADT]);
    for address in [XSDT, RSDT, TABLES, TABLES + ROOM] {
        memory.at(address)[10..24].fill(0xfe);
        seal(memory.at(address), 9);
    }
    memory.at(POINTER)[9..15].fill(0xff);
    seal(&mut memory.at(POINTER)[..20], 8);
    seal(memory.at(POINTER), 32);
    whole_with(&memory, &[]);
}

#[test]
fn a_sum_that_is_off_is_told_of() {
    let mut memory = machine(&[FADT, &MADT]);
    for (address, offset) in [(POINTER, 9), (XSDT, 9), (TABLES, 9), (TABLES + ROOM, 9)] {
        let byte = &mut memory.at(address)[offset];
        *byte = byte.wrapping_add(3);
    }
    let off = Reason::Sum(3);
    whole_with(
        &memory,
        &[(b"RSDP", 8, off), (b"RSDP", 32, off), (b"XSDT", 9, off), (b"APIC", 9, off), (b"FACP", 9, off)],
    );
    let text = look(&memory).unwrap().told[3].to_string();
    assert_eq!(text, "APIC at 0x1f4000, offset 9: the bytes add up to 0x3 and not to 0; used all the same");
}

#[test]
fn of_two_tables_the_one_whose_sum_is_right_is_taken() {
    let mut broken = LONG_MADT.to_vec();
    broken[9] ^= 1;
    whole_with(&machine(&[&broken, FADT, &MADT]), &[]);
    let mut refused = MADT.to_vec();
    refused[4..8].copy_from_slice(&40_u32.to_le_bytes());
    let seen = look(&machine(&[&refused, &MADT, FADT])).unwrap();
    assert!(is_whole(&seen) && seen.refused == [TooShort(40)], "{seen:?}");
}

#[test]
fn a_root_pointer_may_be_odd() {
    // The first revision, whatever lies behind it.
    let mut memory = machine(&[FADT, &MADT]);
    memory.at(POINTER)[15] = 0;
    seal(&mut memory.at(POINTER)[..20], 8);
    whole_with(&memory, &[]);
    memory.at(POINTER).truncate(20);
    whole_with(&memory, &[]);
    // The second, of which the second part cannot be read.
    memory.at(POINTER)[15] = 2;
    seal(memory.at(POINTER), 8);
    whole_with(&memory, &[(b"RSDP", 20, Reason::Unreadable)]);
    // No XSDT; one that is none; one that is an RSDT.
    for (xsdt, told) in [
        (0, &[][..]),
        (0x7777_0000, &[(b"XSDT", 0, Reason::Unreadable)][..]),
        (u64::MAX - 4, &[(b"XSDT", 0, Reason::Unreadable)][..]),
        (TABLES, &[(b"XSDT", 0, Reason::Name(Name::FADT))][..]),
        (RSDT, &[][..]),
    ] {
        let mut memory = machine(&[FADT, &MADT]);
        memory.at(POINTER)[24..32].copy_from_slice(&xsdt.to_le_bytes());
        seal(memory.at(POINTER), 32);
        whole_with(&memory, told);
    }
    // A length from nothing to everything.
    for claimed in [0_u32, 20, 31] {
        let mut memory = machine(&[FADT, &MADT]);
        memory.at(POINTER)[20..24].copy_from_slice(&claimed.to_le_bytes());
        whole_with(&memory, &[(b"RSDP", 20, Reason::Length { claimed, least: 36, most: 36 })]);
    }
    for claimed in [33, 40, u32::MAX] {
        let mut memory = machine(&[FADT, &MADT]);
        memory.at(POINTER)[20..24].copy_from_slice(&claimed.to_le_bytes());
        whole_with(&memory, &[]);
    }
}

#[test]
fn a_root_pointer_that_leads_nowhere_is_named() {
    let text = |memory: &Memory| look(memory).unwrap_err().to_string();
    let mut memory = machine(&[FADT, &MADT]);
    memory.at(POINTER)[0] = b'?';
    assert_eq!(text(&memory), "RSDP at 0xf5b00, offset 0: the name there is ?SD ");
    let mut memory = machine(&[FADT, &MADT]);
    memory.at(POINTER)[16..32].fill(0);
    assert_eq!(text(&memory), "RSDP at 0xf5b00, offset 16: leads to no root table");
    memory.at(POINTER).truncate(19);
    assert_eq!(text(&memory), "RSDP at 0xf5b00, offset 0: cannot be read");
}

#[test]
fn root_tables_are_read_as_far_as_they_go() {
    let length = |memory: &mut Memory, address, claimed: u32| {
        memory.at(address)[4..8].copy_from_slice(&claimed.to_le_bytes());
    };
    for claimed in [0_u32, 7, 35, 16 * 1024 + 1, u32::MAX] {
        let mut memory = machine(&[FADT, &MADT]);
        length(&mut memory, XSDT, claimed);
        whole_with(&memory, &[(b"XSDT", 4, Reason::Length { claimed, least: 36, most: 16 * 1024 })]);
        length(&mut memory, RSDT, claimed);
        assert!(look(&memory).is_err());
    }
    let mut memory = machine(&[FADT, &MADT]);
    memory.at(XSDT).extend([0; 5]);
    length(&mut memory, XSDT, 36 + 16 + 5);
    seal(memory.at(XSDT), 9);
    whole_with(&memory, &[(b"XSDT", 52, Reason::Remainder(5))]);
    // Entries that lead nowhere, and the table behind them.
    let mut memory = machine(&[FADT, &MADT]);
    let entries = [0, 5 << 40, u64::MAX, TABLES + ROOM, TABLES];
    *memory.at(XSDT) = root(b"XSDT", entries.into_iter());
    let seen = look(&memory).unwrap();
    assert!(is_whole(&seen), "{seen:?}");
    // A table that only the other root has.
    let mut memory = machine(&[FADT, &MADT]);
    *memory.at(XSDT) = root(b"XSDT", [TABLES].into_iter());
    whole_with(&memory, &[]);
}

#[test]
fn what_is_there_is_not_called_missing() {
    let mut memory = machine(&[FADT, &MADT]);
    memory.at(TABLES + ROOM)[4..8].copy_from_slice(&(2_u32 << 20).to_le_bytes());
    let seen = look(&memory).unwrap();
    // It is in both root tables.
    assert_eq!(seen.cpus, Err(Unusable::Odd(Name::MADT, 2)));
    let told: Vec<String> = seen.told.iter().map(ToString::to_string).collect();
    assert_eq!(told[0], "APIC at 0x1f4000, offset 4: a length of 2097152 bytes; 36 to 1048576 can be");
    let missing = look(&machine(&[FADT])).unwrap().cpus.unwrap_err();
    assert_eq!(missing.to_string(), "the firmware has no table APIC");
}

#[test]
fn nothing_is_read_behind_the_end_of_a_short_table() {
    for length in 36..FADT.len() {
        let table = FixedTable::new(&FADT[..length]);
        let expected = (length > 91).then_some(0x608);
        assert_eq!(table.timer_port(), expected, "{length} bytes");
        assert_eq!(table.ports().iter().any(|(ports, _)| ports.contains(&0xb2)), length >= 52, "{length} bytes");
    }
    let kept = FixedTable::new(FADT).ports();
    for port in [0xb2, 0xcf9, 0x600, 0x603, 0x604, 0x605, 0x608, 0x60b, 0x620, 0x62f, 0x630, 0x67f] {
        assert!(kept.iter().any(|(ports, _)| ports.contains(&port)), "{port:#x} in {kept:x?}");
    }
    assert!(!kept.iter().any(|(ports, _)| ports.contains(&0x680) || ports.contains(&0x5ff)), "{kept:x?}");
}

#[test]
fn the_later_form_of_an_address_counts_where_it_makes_sense() {
    let mut table = FADT.to_vec();
    table[212..220].copy_from_slice(&0x1808_u64.to_le_bytes());
    assert_eq!(FixedTable::new(&table).timer_port(), Some(0x1808));
    table[208] = 0;
    assert_eq!(FixedTable::new(&table).timer_port(), Some(0x608), "in memory");
    table[208] = 1;
    for address in [0, 0x1_0000, u64::MAX] {
        table[212..220].copy_from_slice(&address.to_le_bytes());
        assert_eq!(FixedTable::new(&table).timer_port(), Some(0x608), "{address:#x}");
    }
    table[76..80].copy_from_slice(&0xfffd_u32.to_le_bytes());
    assert_eq!(FixedTable::new(&table).timer_port(), None, "its end is no port");
    table[91] = 3;
    assert_eq!(FixedTable::new(&table).timer_port(), None, "it is too short");
    table[88..94].fill(0xff);
    table[56..88].fill(0xff);
    let _ = FixedTable::new(&table).ports();
}

/// Numbers that are as good as random (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// Changes some bytes of some tables, most often such as have a meaning, to any values or to those that are edges.
fn change(memory: &mut Memory, numbers: &mut Numbers) {
    for _ in 0..1 + numbers.below(4) {
        let place = numbers.below(memory.0.len());
        let bytes = &mut memory.0[place].1;
        if bytes.is_empty() {
            continue;
        }
        let limit = if numbers.below(2) == 0 { bytes.len() } else { bytes.len().min(96) };
        let offset = numbers.below(limit);
        let value = [0, 1, 2, 0x7f, 0x80, 0xff, numbers.next() as u8][numbers.below(7)];
        match numbers.below(8) {
            0 => bytes.truncate(offset),
            1 => bytes[offset..].fill(value),
            2 | 3 => {
                let end = bytes.len().min(offset + [2, 4, 8][numbers.below(3)]);
                bytes[offset..end].fill(value);
            }
            _ => bytes[offset] = value,
        }
    }
}

/// Whatever bytes are changed: it ends, nothing outside the tables is read, and what comes out is sound. So many times as
/// `GATEHOUSE_TABLE_CHANGES` says.
#[test]
fn tables_with_any_bytes_changed_are_read_soundly() {
    const FEW: u64 = 30_000;
    let times = std::env::var("GATEHOUSE_TABLE_CHANGES").map_or(FEW, |text| text.parse().expect("a number of changes"));
    let machines = [machine(&[FADT, &MADT]), machine(&[&MADT, FADT_1, &MADT])];
    for seed in 0..times {
        let mut numbers = Numbers(seed);
        let mut memory = machines[numbers.below(machines.len())].clone();
        change(&mut memory, &mut numbers);
        let Ok(seen) = look(&memory) else { continue };
        assert!(seen.told.len() < 64, "seed {seed}: {seen:?}");
        seen.told.iter().for_each(|oddity| assert!(!oddity.to_string().is_empty()));
    }
}
