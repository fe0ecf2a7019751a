//! Per-CPU variables: initial values, who shares what, where copies lie. CPUs are threads whose GS base leads to their area.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::collections::BTreeSet;
use std::thread;

use percpu::host::{new_area, new_cpu, run_on};
use percpu::{Area, AreaBuilder, CpuIndex, CpuLocal, CpuShared, LINE_BYTES, per_cpu};

#[repr(align(64))]
struct Aligned(Cell<u8>);

static NAME: &str = "constant";

per_cpu! {
    static BYTE: CpuLocal<Cell<u8>> = Cell::new(7);
    static COUNTER: CpuShared<AtomicU64> = AtomicU64::new(40);
    static LIST: CpuLocal<RefCell<Vec<u32>>> = RefCell::new(Vec::new());
    static ALIGNED: CpuLocal<Aligned> = Aligned(Cell::new(3));
    static SMALL: CpuShared<AtomicU8> = AtomicU8::new(1);
    static TEXT: CpuLocal<Cell<&'static str>> = Cell::new(NAME);
    zeroed static TABLE: CpuLocal<[Cell<u64>; 100]> = [const { Cell::new(0) }; 100];
    zeroed static SHARED_TABLE: CpuShared<[AtomicU64; 3]> = [const { AtomicU64::new(0) }; 3];
    static LAST: CpuLocal<Cell<Option<u16>>> = Cell::new(Some(9));
}

fn cpus<const COUNT: usize>() -> [Area; COUNT] {
    core::array::from_fn(|index| new_cpu(CpuIndex::new(index as u32)))
}

#[test]
fn every_cpu_begins_with_the_values_that_are_written_down() {
    for cpu in cpus::<3>() {
        run_on(cpu, |this| {
            assert_eq!((BYTE.of(this).get(), ALIGNED.of(this).0.get(), LAST.of(this).get()), (7, 3, Some(9)));
            assert_eq!((COUNTER.of(this).load(Ordering::Relaxed), SMALL.of(this).load(Ordering::Relaxed)), (40, 1));
            assert_eq!((TEXT.of(this).get(), LIST.of(this).borrow().len()), (NAME, 0));
            assert!(TABLE.of(this).iter().all(|word| word.get() == 0));
            // What it changes, no later one begins with.
            BYTE.of(this).set(8);
            TABLE.of(this)[99].set(1);
            COUNTER.of(this).store(0, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_copy_is_one_cpus_alone() {
    let cpus = cpus::<4>();
    thread::scope(|scope| {
        for (number, cpu) in cpus.into_iter().enumerate() {
            scope.spawn(move || {
                run_on(cpu, |this| {
                    for entry in 0..1_000 {
                        LIST.of(this).borrow_mut().push(entry + number as u32);
                        TABLE.of(this)[entry as usize % 100].set(number as u64);
                    }
                })
            });
        }
    });
    for (number, cpu) in cpus.into_iter().enumerate() {
        run_on(cpu, |this| {
            let expected: Vec<u32> = (0..1_000).map(|entry| entry + number as u32).collect();
            assert_eq!(*LIST.of(this).borrow(), expected);
            assert!(TABLE.of(this).iter().all(|word| word.get() == number as u64));
        });
    }
}

#[test]
fn others_reach_what_is_shared_of_whichever_cpu_they_name() {
    let cpus = cpus::<3>();
    thread::scope(|scope| {
        for own in cpus {
            scope.spawn(move || {
                run_on(own, |_| {
                    for round in 0..9_000 {
                        let other = cpus[round % cpus.len()];
                        COUNTER.of(other).fetch_add(other.index().get().into(), Ordering::Relaxed);
                    }
                })
            });
        }
    });
    assert_eq!(cpus.map(|cpu| COUNTER.of(cpu).load(Ordering::Relaxed)), [40, 9_040, 18_040]);
}

#[test]
fn what_is_shared_has_its_lines_to_itself() {
    let cpu = new_cpu(CpuIndex::BOOT);
    let lines = |address: usize, bytes: usize| address / LINE_BYTES..=(address + bytes.max(1) - 1) / LINE_BYTES;
    run_on(cpu, |this| {
        let shared = [
            (core::ptr::from_ref(COUNTER.of(this)).addr(), size_of::<AtomicU64>()),
            (core::ptr::from_ref(SMALL.of(this)).addr(), size_of::<AtomicU8>()),
            (core::ptr::from_ref(SHARED_TABLE.of(this)).addr(), size_of::<[AtomicU64; 3]>()),
            (core::ptr::from_ref(cpu.block()).addr(), size_of::<percpu::ProcessorBlock>()),
        ];
        let own = [
            (core::ptr::from_ref(BYTE.of(this)).addr(), 1),
            (core::ptr::from_ref(LIST.of(this)).addr(), size_of::<RefCell<Vec<u32>>>()),
            (core::ptr::from_ref(ALIGNED.of(this)).addr(), size_of::<Aligned>()),
            (core::ptr::from_ref(TABLE.of(this)).addr(), size_of::<[Cell<u64>; 100]>()),
            (core::ptr::from_ref(LAST.of(this)).addr(), size_of::<Cell<Option<u16>>>()),
        ];
        let mut taken = BTreeSet::new();
        for (address, bytes) in shared {
            assert!(address.is_multiple_of(LINE_BYTES));
            assert!(lines(address, bytes).all(|line| taken.insert(line)), "two share a line");
        }
        for (address, bytes) in own {
            assert!(lines(address, bytes).all(|line| !taken.contains(&line)), "with one that is shared");
        }
        assert!(core::ptr::from_ref(ALIGNED.of(this)).addr().is_multiple_of(64));
    });
}

#[test]
fn copies_lie_in_their_areas_and_do_not_overlap() {
    let bytes = AreaBuilder::layout().size();
    assert_eq!((bytes % LINE_BYTES, AreaBuilder::layout().align()), (0, LINE_BYTES));
    let cpus = cpus::<2>();
    let ends = cpus.map(|cpu| {
        run_on(cpu, |this| {
            let all = [
                core::ptr::from_ref(BYTE.of(this)).addr(),
                core::ptr::from_ref(TABLE.of(this)).addr(),
                core::ptr::from_ref(SMALL.of(this)).addr(),
                core::ptr::from_ref(cpu.block()).addr(),
            ];
            (all.into_iter().min().unwrap_or(0), all.into_iter().max().unwrap_or(0))
        })
    });
    assert!(ends.iter().all(|(lowest, highest)| highest - lowest < bytes));
    assert!(ends[0].1 < ends[1].0 || ends[1].1 < ends[0].0);
}

#[test]
fn values_of_run_time_are_set_before_the_cpu_runs_and_for_it_alone() {
    let (mut area, parts) = new_area(CpuIndex::new(5));
    area.set(&BYTE, Cell::new(parts.index.get() as u8));
    area.set(&COUNTER, AtomicU64::new(1));
    area.set(&LIST, RefCell::new(vec![1, 2]));
    // SAFETY: the stacks are fresh.
    let cpu = unsafe { area.finish(parts) };
    let other = new_cpu(CpuIndex::BOOT);
    let look = |cpu| run_on(cpu, |this| (BYTE.of(this).get(), LIST.of(this).borrow().len()));
    assert_eq!((look(cpu), look(other)), ((5, 2), (7, 0)));
    assert_eq!([cpu, other].map(|cpu| COUNTER.of(cpu).load(Ordering::Relaxed)), [1, 40]);
    assert_eq!((cpu.index(), cpu.apic_id().get()), (CpuIndex::new(5), 5));
}

#[test]
fn one_thread_at_a_time_is_a_cpu() {
    let cpu = new_cpu(CpuIndex::BOOT);
    let twice = || run_on(cpu, |_| thread::spawn(move || run_on(cpu, |_| ())).join().is_err());
    assert!(twice());
    // It is free again, also after the panic of whoever was it.
    assert!(thread::spawn(move || run_on(cpu, |_| panic!("in the middle"))).join().is_err());
    run_on(cpu, |_| ());
}
