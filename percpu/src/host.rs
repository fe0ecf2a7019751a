//! CPUs for tests on a Linux host: memory from `mmap`, and a thread whose GS base leads there, since a Linux process of this
//! architecture uses GS for nothing.
//!
//! A kernel's own tests use it in the same way: what they run on such a CPU finds its variables as in the machine.

use core::arch::asm;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::area::{Area, AreaBuilder};
use crate::block::BlockParts;
use crate::id::{ApicId, CpuIndex};
use crate::ist::IstStacks;
use crate::stack::Stack;
use crate::variable::{Cpu, CpuShared, OwnCpu};

const MMAP: u64 = 9;
const ARCH_PRCTL: u64 = 158;
const ARCH_SET_GS: u64 = 0x1001;
const ARCH_GET_GS: u64 = 0x1004;
const STACK_BYTES: usize = 4096;

crate::per_cpu! {
    /// A thread is this CPU.
    static IN_USE: CpuShared<AtomicBool> = AtomicBool::new(false);
}

/// The thread is that CPU, until the function is over that has got this.
#[derive(Debug)]
pub struct Here {
    area: Area,
    not_send: PhantomData<*const ()>,
}

impl Cpu for Here {
    fn area(&self) -> Area {
        self.area
    }
}

// SAFETY: it is neither `Send` nor `Sync`, no other thread is the CPU, and nothing interrupts it.
unsafe impl OwnCpu for Here {}

/// An area, and stacks of 4 KiB, of a CPU with this index and an APIC id of the same number. Never freed.
#[must_use]
pub fn new_area(index: CpuIndex) -> (AreaBuilder, BlockParts) {
    // SAFETY: fresh memory of the right size, whose pages are aligned to more than a line.
    let area = unsafe { AreaBuilder::new(memory(AreaBuilder::layout().size())) };
    let parts = BlockParts {
        index,
        apic_id: ApicId::new(index.get()),
        interrupt_stack: stack(),
        stacks: IstStacks {
            nmi: [stack(), stack()],
            double_fault: stack(),
            machine_check: stack(),
            debug: stack(),
            machine_check_return: stack(),
        },
        fallback: stack(),
    };
    (area, parts)
}

/// A CPU with this index and an APIC id of the same number. Never freed.
#[must_use]
pub fn new_cpu(index: CpuIndex) -> Area {
    let (area, parts) = new_area(index);
    // SAFETY: the stacks are fresh.
    unsafe { area.finish(parts) }
}

/// Runs a function on a CPU: the calling thread has that CPU's GS base meanwhile.
///
/// # Panics
/// If a thread is that CPU already.
pub fn run_on<T>(cpu: Area, function: impl FnOnce(&Here) -> T) -> T {
    /// Puts back what the thread had, also when the function panics.
    struct Before(Area, u64);
    impl Drop for Before {
        fn drop(&mut self) {
            set_gs_base(self.1);
            IN_USE.of(self.0).store(false, Ordering::Release);
        }
    }
    assert!(!IN_USE.of(cpu).swap(true, Ordering::Acquire), "a thread is CPU {} already", cpu.index());
    let mut base = 0_u64;
    system_call(ARCH_PRCTL, [ARCH_GET_GS, (&raw mut base) as u64, 0, 0, 0, 0]);
    let _before = Before(cpu, base);
    set_gs_base(core::ptr::from_ref(cpu.block()) as u64);
    function(&Here { area: cpu, not_send: PhantomData })
}

/// Lets the calling thread go on as another CPU, for tests of code that moves.
pub fn move_to(cpu: Area) {
    set_gs_base(core::ptr::from_ref(cpu.block()) as u64);
}

#[inline(never)]
fn set_gs_base(base: u64) {
    system_call(ARCH_PRCTL, [ARCH_SET_GS, base, 0, 0, 0, 0]);
}

fn memory(bytes: usize) -> NonNull<u8> {
    const READ_AND_WRITE: u64 = 3;
    const PRIVATE_AND_ANONYMOUS: u64 = 0x22;
    let address = system_call(MMAP, [0, bytes as u64, READ_AND_WRITE, PRIVATE_AND_ANONYMOUS, u64::MAX, 0]);
    NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize)).expect("mmap answers no null")
}

fn stack() -> Stack {
    // With a page below that is nobody's, as a kernel leaves one unmapped.
    let base = memory(2 * STACK_BYTES).as_ptr() as u64 + STACK_BYTES as u64;
    // SAFETY: fresh memory of exactly this size, used for nothing else.
    unsafe { Stack::new(base, base + STACK_BYTES as u64) }
}

/// # Panics
/// If the system refuses it.
fn system_call(number: u64, arguments: [u64; 6]) -> u64 {
    let result: u64;
    // SAFETY: the calls that are made here get fresh memory, or read and set the calling thread's GS base, which nothing else uses.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") arguments[0], in("rsi") arguments[1],
             in("rdx") arguments[2], in("r10") arguments[3], in("r8") arguments[4], in("r9") arguments[5],
             out("rcx") _, out("r11") _, options(nostack));
    }
    assert!(result < 0_u64.wrapping_sub(4096), "Linux refuses system call {number}: {}", 0_u64.wrapping_sub(result));
    result
}
