//! Code that moves between CPUs asks anew which it is on. The threads of this test move by their GS base, which Linux lets a
//! process set; the workspace compiles this crate's tests with optimisation, without which the compiler keeps nothing.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use core::sync::atomic::{AtomicU64, Ordering};

use percpu::host::{move_to, new_cpu, run_on};
use percpu::{Area, CpuIndex, CpuShared, per_cpu};

per_cpu! {
    static ROUNDS: CpuShared<AtomicU64> = AtomicU64::new(0);
}

fn cpu(index: u32) -> Area {
    new_cpu(CpuIndex::new(index))
}

fn here() -> Area {
    // SAFETY: GS leads to a block, or the test has not moved yet and would crash.
    unsafe { Area::current() }
}

#[test]
fn who_comes_back_on_another_cpu_sees_that() {
    let cpus = [cpu(0), cpu(1)];
    run_on(cpus[0], |_| {
        let before = here().index();
        move_to(cpus[1]);
        let after = here().index();
        assert_eq!((before, after), (CpuIndex::new(0), CpuIndex::new(1)));
    });
}

#[test]
fn a_loop_counts_where_it_is() {
    let cpus = [cpu(0), cpu(1)];
    run_on(cpus[0], |_| {
        for round in 1..=10 {
            ROUNDS.of(here()).fetch_add(1, Ordering::Relaxed);
            move_to(cpus[round % 2]);
        }
    });
    assert_eq!(cpus.map(|cpu| ROUNDS.of(cpu).load(Ordering::Relaxed)), [5, 5]);
}

#[test]
fn code_that_stays_reaches_the_same_block_either_way() {
    let cpu = cpu(7);
    run_on(cpu, |_| {
        // SAFETY: this function does not move.
        let stable = unsafe { Area::current_stable() };
        assert!(stable == cpu && stable == here() && core::ptr::eq(stable.block(), here().block()));
    });
}
