//! The two ways into the kernel, and how often each was taken.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::abi::SystemCall;

/// Calls that this program made so far by [`Syscall`].
static MADE_BY_SYSCALL: AtomicU64 = AtomicU64::new(0);
/// Calls that this program made so far by [`Int80`].
static MADE_BY_INT80: AtomicU64 = AtomicU64::new(0);

/// System calls that the threads of this program have made through this crate, calls in progress
/// included. Calls made by [`crate::register_pattern`] count too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallsMade {
    /// By SYSCALL.
    pub syscall: u64,
    /// By `int 0x80`.
    pub int80: u64,
}

/// How many system calls this program has made so far.
#[must_use]
pub fn calls_made() -> CallsMade {
    CallsMade { syscall: MADE_BY_SYSCALL.load(Ordering::Relaxed), int80: MADE_BY_INT80.load(Ordering::Relaxed) }
}

/// Adds calls that were made without [`EntryPoint::call`].
pub(crate) fn count(made: CallsMade) {
    MADE_BY_SYSCALL.fetch_add(made.syscall, Ordering::Relaxed);
    MADE_BY_INT80.fetch_add(made.int80, Ordering::Relaxed);
}

mod sealed {
    /// Closes [`super::EntryPoint`] to other crates: the kernel has no third entry point.
    pub trait Sealed {}
}

/// A way into the kernel.
pub trait EntryPoint: sealed::Sealed {
    /// Makes a system call by its number, known or not, and returns RAX.
    ///
    /// # Safety
    /// Where the kernel writes through an argument, that argument must be the address of memory that the
    /// caller owns for as long as the call takes. A call that changes the address space or the base
    /// registers must not pull away what other code uses.
    unsafe fn call_number(number: u64, arguments: [u64; 6]) -> u64;

    /// Makes a system call and returns RAX.
    ///
    /// # Safety
    /// As for [`EntryPoint::call_number`].
    unsafe fn call(call: SystemCall, arguments: [u64; 6]) -> u64 {
        // SAFETY: the caller promises what `call_number` asks for.
        unsafe { Self::call_number(call as u64, arguments) }
    }
}

/// The SYSCALL instruction.
#[derive(Clone, Copy, Debug)]
pub struct Syscall;

/// The `int 0x80` instruction.
#[derive(Clone, Copy, Debug)]
pub struct Int80;

impl sealed::Sealed for Syscall {}
impl sealed::Sealed for Int80 {}

impl EntryPoint for Syscall {
    #[inline]
    unsafe fn call_number(number: u64, arguments: [u64; 6]) -> u64 {
        MADE_BY_SYSCALL.fetch_add(1, Ordering::Relaxed);
        #[cfg(target_os = "none")]
        {
            let result;
            // SAFETY: the registers are those of the ABI; SYSCALL destroys RCX and R11 and touches no user stack.
            // What the kernel reads and writes through the arguments is the caller's promise.
            unsafe {
                core::arch::asm!(
                    "syscall",
                    inlateout("rax") number => result,
                    in("rdi") arguments[0],
                    in("rsi") arguments[1],
                    in("rdx") arguments[2],
                    in("r10") arguments[3],
                    in("r8") arguments[4],
                    in("r9") arguments[5],
                    lateout("rcx") _,
                    lateout("r11") _,
                    options(nostack),
                );
            }
            result
        }
        #[cfg(not(target_os = "none"))]
        not_under_gatehouse(number, arguments)
    }
}

impl EntryPoint for Int80 {
    #[inline]
    unsafe fn call_number(number: u64, arguments: [u64; 6]) -> u64 {
        MADE_BY_INT80.fetch_add(1, Ordering::Relaxed);
        #[cfg(target_os = "none")]
        {
            let result;
            // SAFETY: the registers are those of the ABI; the gate switches stacks, so the user's is not touched.
            // What the kernel reads and writes through the arguments is the caller's promise.
            unsafe {
                core::arch::asm!(
                    "int 0x80",
                    inlateout("rax") number => result,
                    in("rdi") arguments[0],
                    in("rsi") arguments[1],
                    in("rdx") arguments[2],
                    in("r10") arguments[3],
                    in("r8") arguments[4],
                    in("r9") arguments[5],
                    options(nostack),
                );
            }
            result
        }
        #[cfg(not(target_os = "none"))]
        not_under_gatehouse(number, arguments)
    }
}

/// The same instructions would reach the host's kernel with Gatehouse's numbers.
#[cfg(not(target_os = "none"))]
fn not_under_gatehouse(number: u64, arguments: [u64; 6]) -> u64 {
    panic!("system call {number} with {arguments:x?}: this program was not built for Gatehouse")
}
