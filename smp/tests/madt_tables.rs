//! Tables recorded from QEMU 10.0.2 (q35), odd tables built here, and random bytes.
#![cfg(not(loom))]

use core::ptr::NonNull;

use acpi::madt::Madt;
use acpi::{AcpiHandler, PhysicalMapping};
use proptest::prelude::*;
use smp::ApicId;
use smp::madt::*;

const BOOT: ApicId = ApicId::new(0);
const FIXED_PART: usize = 44;
const ENABLED: u32 = 1;
const ONLINE_CAPABLE: u32 = 2;

/// A table of these entries, with the header's length set to match.
fn table(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; FIXED_PART];
    bytes[..4].copy_from_slice(b"APIC");
    bytes[36..40].copy_from_slice(&0xfee0_0000_u32.to_le_bytes());
    bytes.extend(entries.iter().flatten());
    let length = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn local_apic(id: u8, flags: u32) -> Vec<u8> {
    [&[0, 8, id, id][..], &flags.to_le_bytes()].concat()
}

fn local_x2apic(id: u32, flags: u32) -> Vec<u8> {
    [&[9, 16, 0, 0][..], &id.to_le_bytes(), &flags.to_le_bytes(), &id.to_le_bytes()].concat()
}

fn parse(entries: &[Vec<u8>]) -> Topology {
    Topology::from_bytes(&table(entries), BOOT).expect("a good table")
}

fn ids(cpus: &[ListedCpu]) -> Vec<u32> {
    cpus.iter().map(|cpu| cpu.apic_id.get()).collect()
}

#[test]
fn recorded_table_of_4_cpus() {
    let topology = Topology::from_bytes(include_bytes!("tables/q35_4_cpus.madt"), BOOT).unwrap();
    assert_eq!(ids(&topology.cpus), [0, 1, 2, 3]);
    assert!(topology.online_capable.is_empty());
    assert_eq!(topology.local_apic_address, 0xfee0_0000);
    assert!(topology.has_8259);
    assert_eq!(topology.io_apics, [ListedIoApic { id: 0, address: 0xfec0_0000, first_interrupt: 0 }]);
    let timer = topology.isa_interrupt(0);
    assert_eq!((timer.interrupt, timer.trigger_mode), (2, TriggerMode::BusDefault));
    let scsi = topology.isa_interrupt(9);
    assert_eq!((scsi.polarity, scsi.trigger_mode), (Polarity::ActiveHigh, TriggerMode::Level));
    assert_eq!(topology.isa_interrupt(4).interrupt, 4);
    assert_eq!(topology.nmi_pins.len(), 1);
    assert_eq!((topology.nmi_pins[0].processor, topology.nmi_pins[0].pin), (NmiProcessor::All, 1));
    assert!(topology.notes.is_empty());
}

#[test]
fn recorded_table_of_288_cpus_has_both_kinds_of_entry() {
    let bytes = include_bytes!("tables/q35_288_cpus.madt");
    let topology = Topology::from_bytes(bytes, BOOT).unwrap();
    assert_eq!(ids(&topology.cpus), (0..288).collect::<Vec<_>>());
    assert_eq!(topology.highest_apic_id(), ApicId::new(287));
    let kinds = topology.nmi_pins.iter().map(|pin| (pin.processor, pin.pin)).collect::<Vec<_>>();
    assert!(kinds.contains(&(NmiProcessor::All, 1)), "{kinds:?}");
    assert!(topology.notes.is_empty(), "{:?}", topology.notes);
}

#[test]
fn recorded_table_of_2_cpus_with_room_for_4() {
    let topology = Topology::from_bytes(include_bytes!("tables/q35_2_of_4_cpus.madt"), BOOT).unwrap();
    assert_eq!(ids(&topology.cpus), [0, 1]);
    assert_eq!(topology.notes, [Note::Disabled(ApicId::new(2)), Note::Disabled(ApicId::new(3))]);
}

#[test]
fn x2apic_entries_only() {
    let topology = parse(&(0..5).map(|id| local_x2apic(id * 0x1000, ENABLED)).collect::<Vec<_>>());
    assert_eq!(ids(&topology.cpus), [0, 0x1000, 0x2000, 0x3000, 0x4000]);
    assert_eq!(topology.cpus[2].processor_uid, Some(0x2000));
}

#[test]
fn the_boot_cpu_is_first_and_the_rest_in_the_tables_order() {
    let entries = [9, 4, 200, 1].map(|id| local_apic(id, ENABLED));
    let topology = Topology::from_bytes(&table(&entries), ApicId::new(200)).unwrap();
    assert_eq!(ids(&topology.cpus), [200, 9, 4, 1]);
    assert_eq!(topology.highest_apic_id(), ApicId::new(200));
}

#[test]
fn a_boot_cpu_that_is_not_listed_is_first_all_the_same() {
    let topology = Topology::from_bytes(&table(&[local_apic(3, ENABLED)]), ApicId::new(7)).unwrap();
    assert_eq!(ids(&topology.cpus), [7, 3]);
    assert_eq!(topology.cpus[0].processor_uid, None);
    assert_eq!(topology.notes, [Note::BootCpuNotListed(ApicId::new(7))]);
}

#[test]
fn disabled_and_online_capable_cpus_are_not_started() {
    let topology = parse(&[
        local_apic(0, ENABLED),
        local_apic(1, 0),
        local_apic(2, ONLINE_CAPABLE),
        local_x2apic(300, ONLINE_CAPABLE),
        local_apic(3, ENABLED | ONLINE_CAPABLE),
    ]);
    assert_eq!(ids(&topology.cpus), [0, 3]);
    assert_eq!(ids(&topology.online_capable), [2, 300]);
    assert_eq!(topology.notes, [Note::Disabled(ApicId::new(1))]);
}

#[test]
fn a_cpu_that_may_come_and_is_listed_as_usable_later_is_usable() {
    let topology = parse(&[
        local_apic(0, ENABLED),
        local_apic(1, ONLINE_CAPABLE),
        local_apic(2, ONLINE_CAPABLE),
        local_x2apic(1, ENABLED),
        local_x2apic(2, ONLINE_CAPABLE),
        local_x2apic(1, ENABLED),
    ]);
    assert_eq!(ids(&topology.cpus), [0, 1]);
    assert_eq!(ids(&topology.online_capable), [2]);
    assert_eq!(topology.notes, [2, 1].map(|id| Note::Duplicate(ApicId::new(id))));
}

#[test]
fn a_cpu_listed_twice_counts_once() {
    let topology = parse(&[
        local_apic(0, ENABLED),
        local_apic(1, ENABLED),
        local_x2apic(0, ENABLED),
        local_x2apic(1, ENABLED),
        local_x2apic(2, ENABLED),
        local_apic(2, ENABLED),
    ]);
    assert_eq!(ids(&topology.cpus), [0, 1, 2]);
    assert_eq!(topology.notes, [0, 1, 2].map(|id| Note::Duplicate(ApicId::new(id))));
}

#[test]
fn a_disabled_entry_does_not_hide_a_usable_one_of_the_other_kind() {
    let topology = parse(&[local_apic(0, ENABLED), local_apic(1, 0), local_x2apic(1, ENABLED)]);
    assert_eq!(ids(&topology.cpus), [0, 1]);
}

#[test]
fn ids_that_mean_everybody_are_left_out() {
    let topology = parse(&[local_apic(0, ENABLED), local_apic(255, ENABLED), local_x2apic(u32::MAX, ENABLED)]);
    assert_eq!(ids(&topology.cpus), [0]);
    assert_eq!(topology.notes, [Note::InvalidId { offset: 52 }, Note::InvalidId { offset: 60 }]);
    // Unlike the old type's, the new type's 255 is an id.
    assert_eq!(ids(&parse(&[local_apic(0, ENABLED), local_x2apic(255, ENABLED)]).cpus), [0, 255]);
}

#[test]
fn the_address_override_wins_wherever_it_stands() {
    let address = 0x12_3456_7000_u64;
    let entry = [&[5, 12, 0, 0][..], &address.to_le_bytes()].concat();
    assert_eq!(parse(&[entry.clone(), local_apic(0, ENABLED)]).local_apic_address, address);
    assert_eq!(parse(&[local_apic(0, ENABLED), entry]).local_apic_address, address);
}

#[test]
fn nmi_pins_of_both_kinds() {
    let topology = parse(&[
        local_apic(0, ENABLED),
        vec![4, 6, 3, 0b1101, 0, 0],
        vec![10, 12, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0],
        vec![10, 12, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0],
    ]);
    let pins = topology.nmi_pins.iter().map(|pin| (pin.processor, pin.pin)).collect::<Vec<_>>();
    assert_eq!(pins, [(NmiProcessor::Uid(3), 0), (NmiProcessor::Uid(300), 1), (NmiProcessor::All, 1)]);
    assert_eq!(topology.nmi_pins[0].polarity, Polarity::ActiveHigh);
    assert_eq!(topology.nmi_pins[0].trigger_mode, TriggerMode::Level);
}

#[test]
fn several_io_apics_are_told_apart_by_their_first_interrupt() {
    let io_apic = |id: u8, first: u8| vec![1, 12, id, 0, 0, 0, 0xc0, 0xfe, first, 0, 0, 0];
    let topology = parse(&[local_apic(0, ENABLED), io_apic(9, 24), io_apic(8, 0)]);
    assert_eq!(topology.io_apic_for(23).unwrap().id, 8);
    assert_eq!(topology.io_apic_for(24).unwrap().id, 9);
    assert!(parse(&[local_apic(0, ENABLED)]).io_apic_for(3).is_none());
}

#[test]
fn what_is_odd_is_noted_and_skipped() {
    let topology = parse(&[
        vec![0x7f, 3, 0],
        vec![0x80, 2],
        vec![2, 10, 1, 5, 9, 0, 0, 0, 0, 0],
        vec![2, 10, 0, 5, 9, 0, 0, 0, 0b1010, 0],
        local_apic(0, ENABLED),
    ]);
    assert_eq!(
        topology.notes,
        [
            Note::UnknownType { offset: 44, kind: 0x7f },
            Note::UnknownType { offset: 47, kind: 0x80 },
            Note::UnknownBus { offset: 49, bus: 1 },
            Note::ReservedFlags { offset: 59, flags: 0b1010 },
        ]
    );
    assert_eq!(topology.interrupt_overrides.len(), 1);
    assert_eq!(topology.interrupt_overrides[0].polarity, Polarity::BusDefault);
}

#[test]
fn longer_entries_than_known_are_read_and_skipped_whole() {
    let mut longer = local_apic(1, ENABLED);
    longer[1] = 11;
    longer.extend([0xaa; 3]);
    assert_eq!(ids(&parse(&[local_apic(0, ENABLED), longer, local_apic(2, ENABLED)]).cpus), [0, 1, 2]);
}

/// A table of one CPU, these bytes, and where there is a way behind them another CPU.
fn with_odd_entry(entry: &[u8]) -> Topology {
    parse(&[local_apic(0, ENABLED), entry.to_vec(), local_apic(7, ENABLED)])
}

#[test]
fn entries_that_are_too_short_are_left_out_and_named() {
    let offset = 52;
    for (kind, needed) in [(0, 8), (1, 12), (2, 10), (4, 6), (5, 12), (9, 16), (10, 12)] {
        for length in [2, needed - 1] {
            let mut entry = vec![0; length.into()];
            (entry[0], entry[1]) = (kind, length);
            let topology = with_odd_entry(&entry);
            assert_eq!(ids(&topology.cpus), [0, 7], "type {kind} of {length} bytes");
            assert_eq!(topology.notes, [Note::ShortEntry { offset, kind, length, needed }]);
        }
    }
}

#[test]
fn what_leaves_no_way_to_the_next_entry_is_the_last() {
    let offset = 52;
    for kind in [0, 9, 0x60] {
        for length in [0, 1] {
            let topology = with_odd_entry(&[kind, length, 0, 0]);
            assert_eq!(ids(&topology.cpus), [0], "what is behind it cannot be found");
            assert_eq!(topology.notes, [Note::Padding { offset, bytes: 12 }]);
        }
        let topology = with_odd_entry(&[kind, 40, 0, 0]);
        assert_eq!(topology.notes, [Note::TruncatedEntry { offset, kind, length: 40, remaining: 12 }]);
    }
    let topology = parse(&[local_apic(0, ENABLED), vec![0]]);
    assert_eq!(topology.notes, [Note::Padding { offset, bytes: 1 }]);
}

/// As firmware does that rounds the length of its tables up.
#[test]
fn padding_behind_the_last_entry_is_no_harm() {
    for padding in [1, 2, 3, 8, 100] {
        let topology = parse(&[local_apic(0, ENABLED), local_apic(1, ENABLED), vec![0; padding]]);
        assert_eq!(ids(&topology.cpus), [0, 1]);
        assert_eq!(topology.notes, [Note::Padding { offset: 60, bytes: padding }]);
    }
}

#[test]
fn impossible_tables_are_refused_and_cut_ones_read_as_far_as_they_go() {
    let good = table(&[local_apic(0, ENABLED), local_apic(1, ENABLED)]);
    assert_eq!(Topology::from_bytes(&good[..43], BOOT), Err(MadtError::ShortTable { length: 43 }));
    let cut = Topology::from_bytes(&good[..54], BOOT).unwrap();
    assert_eq!(ids(&cut.cpus), [0]);
    let truncated = Note::TruncatedEntry { offset: 52, kind: 0, length: 8, remaining: 2 };
    assert_eq!(cut.notes, [Note::MissingEnd { offset: 54, bytes: 6 }, truncated]);
    let mut short = good.clone();
    short[4..8].copy_from_slice(&43_u32.to_le_bytes());
    assert_eq!(Topology::from_bytes(&short, BOOT), Err(MadtError::TableLength { claimed: 43 }));
    assert_eq!(MadtError::TableLength { claimed: 43 }.to_string(), "MADT: the header, at offset 4, claims 43 bytes");
    let mut other = good.clone();
    other[..4].copy_from_slice(b"FACP");
    assert_eq!(Topology::from_bytes(&other, BOOT), Err(MadtError::Signature(*b"FACP")));
    let longer = [good.clone(), vec![0; 100]].concat();
    assert_eq!(Topology::from_bytes(&longer, BOOT), Topology::from_bytes(&good, BOOT));
}

#[derive(Clone)]
struct NoUnmap;

impl AcpiHandler for NoUnmap {
    unsafe fn map_physical_region<T>(&self, _address: usize, _size: usize) -> PhysicalMapping<Self, T> {
        unreachable!("the test maps by itself")
    }

    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}
}

#[test]
fn a_mapping_of_the_acpi_crate_reads_as_its_bytes_do() {
    let bytes = include_bytes!("tables/q35_288_cpus.madt");
    let start = NonNull::from(bytes).cast::<Madt>();
    // SAFETY: the bytes are those of a table, and stay for ever; `Madt` has an alignment of 1.
    let mapping = unsafe { PhysicalMapping::new(0, start, bytes.len(), bytes.len(), NoUnmap) };
    assert_eq!(Topology::from_mapping(&mapping, BOOT), Topology::from_bytes(bytes, BOOT));
}

/// An entry that is well formed more often than not.
fn any_entry() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![Just(0), Just(1), Just(2), Just(4), Just(5), Just(9), Just(10), any::<u8>()];
    (kind, any::<Option<u8>>(), prop::collection::vec(any::<u8>(), 0..24)).prop_map(|(kind, length, body)| {
        let length = length.unwrap_or(body.len() as u8 + 2);
        [&[kind, length][..], &body].concat()
    })
}

proptest! {
    #[test]
    fn random_bytes_never_panic_or_hang(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Topology::from_bytes(&bytes, BOOT);
    }

    #[test]
    fn random_bodies_never_panic_or_hang(body in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Topology::from_bytes(&table(&[body]), BOOT);
    }

    #[test]
    fn random_entries_give_a_sound_list(
        entries in prop::collection::vec(any_entry(), 0..40),
        boot in 0_u32..300,
    ) {
        let boot = ApicId::new(boot);
        let topology = Topology::from_bytes(&table(&entries), boot).unwrap();
        prop_assert_eq!(topology.cpus[0].apic_id, boot);
        let mut ids = ids(&topology.cpus);
        ids.sort_unstable();
        let listed = ids.len();
        ids.dedup();
        prop_assert_eq!(ids.len(), listed, "no CPU is listed twice");
        prop_assert!(!ids.contains(&u32::MAX));
    }
}
