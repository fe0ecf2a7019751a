//! Threads of one program.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::Kernel;
use crate::abi::{ANY_CPU, Error, SystemCall};
use crate::affinity::CpuSet;
use crate::memory::Memory;
use crate::message::Utcb;
use crate::time;

/// Bytes of the stack that [`Thread::spawn`] maps.
pub const STACK_BYTES: u64 = 64 * 1024;

/// What a thread does.
#[derive(Clone, Copy, Debug)]
enum Function {
    Plain(fn(u64) -> u64),
    WithUtcb(fn(u64, Utcb) -> u64),
}

/// What a new thread finds at the top of its stack. The stack itself begins right below.
#[derive(Debug)]
#[repr(C, align(16))]
struct Start {
    function: Function,
    argument: u64,
    /// What the function returned.
    status: AtomicU64,
    /// 1 from the moment on at which the thread needs its stack no more.
    ended: AtomicU64,
}

// The stack pointer of the new thread is the address of its `Start`, and the ABI wants it aligned to 16.
const _: () = assert!(size_of::<Start>().is_multiple_of(16) && align_of::<Start>() == 16);

/// A thread that was started and not yet joined. Dropping it leaves the thread running and its stack
/// mapped until the program ends.
#[derive(Debug)]
#[must_use = "a thread that is not joined keeps its stack until the program ends"]
pub struct Thread {
    stack: core::mem::ManuallyDrop<Memory>,
    number: u64,
}

impl Thread {
    /// Starts `function(argument)` on CPU `cpu`, where it stays, or on [`crate::abi::ANY_CPU`], on a stack of [`STACK_BYTES`] with
    /// an unmapped page below it.
    ///
    /// # Errors
    /// [`Error::NoSuchCpu`], [`Error::QuotaReached`], [`Error::OutOfMemory`].
    pub fn spawn(function: fn(u64) -> u64, argument: u64, cpu: u64) -> Result<Self, Error> {
        Self::spawn_function(Function::Plain(function), argument, cpu, (0, 0))
    }

    /// The same for a thread that may run on each of these CPUs.
    ///
    /// # Errors
    /// As for [`Self::spawn`]; [`Error::InvalidArgument`] for the empty set.
    pub fn spawn_among<const WORDS: usize>(
        function: fn(u64) -> u64,
        argument: u64,
        cpus: &CpuSet<WORDS>,
    ) -> Result<Self, Error> {
        Self::spawn_function(Function::Plain(function), argument, ANY_CPU, cpus.location())
    }

    /// The same for a function that uses its thread's message buffer: a server of long messages, a debugger.
    ///
    /// # Errors
    /// As for [`Self::spawn`].
    pub fn spawn_with_utcb(function: fn(u64, Utcb) -> u64, argument: u64, cpu: u64) -> Result<Self, Error> {
        Self::spawn_function(Function::WithUtcb(function), argument, cpu, (0, 0))
    }

    fn spawn_function(function: Function, argument: u64, cpu: u64, set: (u64, u64)) -> Result<Self, Error> {
        let stack = Memory::map(STACK_BYTES)?;
        let start = stack.end() - size_of::<Start>() as u64;
        let value = Start { function, argument, status: AtomicU64::new(0), ended: AtomicU64::new(0) };
        // SAFETY: the address lies in the new mapping, which nothing else knows, with room for one `Start` above it,
        // and is aligned: the end is that of a page and the size a multiple of the alignment.
        unsafe { (start as *mut Start).write(value) };
        // SAFETY: `enter_thread` takes RDI, never returns and leaves no use of the stack behind; the stack stays
        // mapped until `join` has seen `ended`, or for ever.
        let number = unsafe { Kernel::spawn_thread(enter_thread as *const () as u64, start, start, cpu, set)? };
        Ok(Self { stack: core::mem::ManuallyDrop::new(stack), number })
    }

    /// The thread's number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Waits for the thread, at most that many nanoseconds, frees its stack and answers what its function
    /// returned; `None`, and the stack stays, when the time was over.
    #[must_use]
    pub fn join(self, nanoseconds: u64) -> Option<u64> {
        let start = (self.stack.end() - size_of::<Start>() as u64) as *const Start;
        // SAFETY: `spawn` wrote a `Start` there, and the pages stay mapped while `self` lives. The other thread
        // changes only the two atomics.
        let start = unsafe { &*start };
        if !time::wait_until(nanoseconds, || start.ended.load(Ordering::Acquire) != 0) {
            return None;
        }
        let status = start.status.load(Ordering::Relaxed);
        drop(core::mem::ManuallyDrop::into_inner(self.stack));
        Some(status)
    }
}

/// Where the kernel enters a new thread.
///
/// Hardware state: ring 3, RFLAGS 0x202, RSP = RDI = the address of the thread's [`Start`], 16-byte aligned, RSI the
/// program's number, RDX the thread's message buffer, every other general register zero. RBX keeps the address over the call. From the store to `ended` on the stack
/// may be unmapped at any instant: nothing after it uses the stack, and SYSCALL enters the kernel on its own.
#[unsafe(naked)]
extern "C" fn enter_thread() -> ! {
    core::arch::naked_asm!(
        "mov rbx, rdi",
        "call {run}",
        "mov qword ptr [rbx + {ended}], 1",
        "mov eax, {exit_thread}",
        "xor edi, edi",
        "syscall",
        "ud2",
        run = sym run,
        ended = const offset_of!(Start, ended),
        exit_thread = const SystemCall::ExitThread as u64,
    )
}

/// Runs the thread's function and leaves its answer for the one who joins.
extern "C" fn run(start: &Start, _program: u64, utcb: u64) {
    let status = match start.function {
        Function::Plain(function) => function(start.argument),
        // SAFETY: the kernel passed the address to this thread, and the function is the only one that is given it.
        Function::WithUtcb(function) => function(start.argument, unsafe { Utcb::new(utcb) }),
    };
    start.status.store(status, Ordering::Relaxed);
}
