//! Code that moves between CPUs asks anew which it is on. The threads of this test move by their GS base, which Linux lets a
//! process set; the workspace compiles this crate's tests with optimisation, without which the compiler keeps nothing.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use core::arch::asm;
use std::sync::atomic::{AtomicU64, Ordering};

use percpu::{ApicId, BlockParts, CpuIndex, IstStacks, ProcessorBlock, Stack, offsets};

#[repr(align(16))]
struct Memory {
    _words: [u64; 64],
}

fn stack() -> Stack {
    let memory = Box::leak(Box::new(Memory { _words: [0; 64] }));
    let base = core::ptr::from_mut(memory) as u64;
    // SAFETY: leaked memory of exactly this size, used for nothing else.
    unsafe { Stack::new(base, base + size_of::<Memory>() as u64) }
}

/// A block as `init` leaves it.
fn block(index: u32) -> &'static ProcessorBlock<AtomicU64> {
    let parts = BlockParts {
        index: CpuIndex::new(index),
        apic_id: ApicId::new(index),
        interrupt_stack: stack(),
        stacks: IstStacks {
            nmi: [stack(), stack()],
            double_fault: stack(),
            machine_check: stack(),
            machine_check_return: stack(),
            debug: stack(),
        },
        fallback: stack(),
        kernel: AtomicU64::new(0),
    };
    // SAFETY: the stacks are fresh.
    let block = Box::leak(Box::new(unsafe { ProcessorBlock::new(parts) }));
    let address = core::ptr::from_mut(block) as u64;
    // SAFETY: the self pointer's word, which nobody else knows yet.
    unsafe { core::ptr::from_mut(block).byte_add(offsets::SELF_POINTER).cast::<u64>().write(address) };
    block
}

/// Goes on "on another CPU".
#[inline(never)]
fn move_to(block: &'static ProcessorBlock<AtomicU64>) {
    const ARCH_PRCTL: u64 = 158;
    const ARCH_SET_GS: u64 = 0x1001;
    let result: u64;
    // SAFETY: `arch_prctl` of this thread; nothing in a Linux process of this architecture uses GS.
    unsafe {
        asm!("syscall", inlateout("rax") ARCH_PRCTL => result, in("rdi") ARCH_SET_GS,
             in("rsi") core::ptr::from_ref(block), out("rcx") _, out("r11") _, options(nostack));
    }
    assert_eq!(result, 0, "the GS base cannot be set");
}

fn here() -> &'static ProcessorBlock<AtomicU64> {
    // SAFETY: GS leads to a block of this type, or the test has not moved yet and would crash.
    unsafe { percpu::current::<AtomicU64>() }
}

#[test]
fn who_comes_back_on_another_cpu_sees_that() {
    let blocks = [block(0), block(1)];
    move_to(blocks[0]);
    let before = here().index();
    move_to(blocks[1]);
    let after = here().index();
    assert_eq!((before, after), (CpuIndex::new(0), CpuIndex::new(1)));
}

#[test]
fn a_loop_counts_where_it_is() {
    let blocks = [block(0), block(1)];
    move_to(blocks[0]);
    for round in 1..=10 {
        here().kernel().fetch_add(1, Ordering::Relaxed);
        move_to(blocks[round % 2]);
    }
    assert_eq!(blocks.map(|block| block.kernel().load(Ordering::Relaxed)), [5, 5]);
}

#[test]
fn code_that_stays_reaches_the_same_block_either_way() {
    let block = block(7);
    move_to(block);
    // SAFETY: this function moves before, and not after.
    let stable = unsafe { percpu::current_stable::<AtomicU64>() };
    assert!(core::ptr::eq(stable, block) && core::ptr::eq(stable, here()));
}
