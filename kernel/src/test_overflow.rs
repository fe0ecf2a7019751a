//! Stacks that overflow on request, for [`crate::test_hooks`]: so that tests see what becomes of it in the kernel that is shipped.

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

use gatehouse_abi::{Error, TestHook};

use crate::arch::INSTRUCTIONS;
use crate::cpu::ThisCpu;
use crate::facts::facts;
use crate::sync::{Mutex, rank};

/// Vectors whose next handler is to overflow its stack, one bit each. Only read while no test asks for it.
static OVERFLOW_NEXT: AtomicU32 = AtomicU32::new(0);

/// Held by the test that overflows a stack with a lock held.
static LOCK: Mutex<(), rank::Test> = Mutex::new(());

/// Overflows the interrupt stack: with a lock held (1), with the CPU's decoder in use (2), with neither (0).
pub fn overflow_interrupt_stack(cpu: &ThisCpu, held: u64) {
    let _lock = (held == 1).then(|| LOCK.lock());
    let _instructions = (held == 2).then(|| INSTRUCTIONS.of(cpu).borrow_mut());
    let _sum = overflow(0);
}

/// Makes the next handler of a vector that has a stack of its own overflow it.
///
/// # Errors
/// [`Error::InvalidArgument`]: there is no such exception.
pub fn overflow_next_handler(vector: u64) -> Result<(), Error> {
    let bit = u32::try_from(vector).ok().and_then(|vector| 1_u32.checked_shl(vector)).ok_or(Error::InvalidArgument)?;
    OVERFLOW_NEXT.fetch_or(bit, Ordering::Relaxed);
    Ok(())
}

/// Overflows the stack in use if the command line has [`TestHook::WORD`] and `overflow=` with this place: the stacks on
/// which CPUs start, which no program runs on.
pub fn overflow_if_wanted_at(place: &str) {
    let mut words = facts().command_line.split_whitespace();
    let wanted = words.clone().any(|word| word.strip_prefix("overflow=") == Some(place));
    if wanted && words.any(|word| word == TestHook::WORD) {
        let _sum = overflow(0);
    }
}

/// Called by the handlers of the vectors that have a stack of their own.
pub fn overflow_if_asked(vector: u8) {
    let bit = 1 << vector;
    if OVERFLOW_NEXT.load(Ordering::Relaxed) & bit != 0 && OVERFLOW_NEXT.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
        let _sum = overflow(0);
    }
}

/// Calls itself until the stack is full.
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    let below = if black_box(depth) == u64::MAX { 0 } else { overflow(depth + 1) };
    // Not a tail call: something is left to be done.
    below + black_box(frame)[3]
}
