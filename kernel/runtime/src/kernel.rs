//! The system calls, typed. `docs/abi.md` is their description.

use core::convert::Infallible;
use core::marker::PhantomData;

use zerocopy::{FromBytes, IntoBytes};

use crate::abi::{
    BASE_FS, BASE_GS, CpuInformation, Error, INFORMATION_COMMAND_LINE, INFORMATION_CPU, INFORMATION_PROGRAM_NAME,
    INFORMATION_SWAP, INFORMATION_SYSTEM, ProgramEnd, SPAWN_QUIET, SwapInformation, SystemCall, SystemInformation,
};
use crate::capability::Thread;
use crate::entry_point::{EntryPoint, Int80, Syscall};
use crate::time::{Deadline, SECOND};

/// How long a CPU is asked for an answer. Nanoseconds.
const PING_PATIENCE: u64 = 10 * SECOND;

/// The system calls by SYSCALL: what programs use.
pub type Kernel = Calls<Syscall>;

/// The system calls by `int 0x80`: slower, and RCX and R11 survive.
pub type KernelByInt80 = Calls<Int80>;

/// The system calls by one of the two entry points.
#[derive(Debug)]
pub struct Calls<E>(PhantomData<E>, Infallible);

impl<E: EntryPoint> Calls<E> {
    /// A call that can fail.
    ///
    /// # Safety
    /// As for [`EntryPoint::call`].
    unsafe fn call(call: SystemCall, arguments: [u64; 6]) -> Result<u64, Error> {
        // SAFETY: the caller promises what `EntryPoint::call` asks for.
        Error::from_register(unsafe { E::call(call, arguments) })
    }

    /// A call whose arguments are numbers only, so that the kernel writes to no memory of the program.
    fn call_with_numbers(call: SystemCall, arguments: [u64; 6]) -> Result<u64, Error> {
        // SAFETY: the private callers below give numbers and addresses that the kernel only reads.
        unsafe { Self::call(call, arguments) }
    }

    /// Does nothing.
    ///
    /// # Errors
    /// None that a kernel with this ABI gives.
    pub fn null() -> Result<u64, Error> {
        Self::call_with_numbers(SystemCall::Null, [0; 6])
    }

    /// Ends the calling thread; the program ends with the status of its last thread.
    pub fn exit_thread(status: u64) -> ! {
        let _ = Self::call_with_numbers(SystemCall::ExitThread, [status, 0, 0, 0, 0, 0]);
        unreachable!("the kernel came back from ExitThread")
    }

    /// Ends the program with all its threads.
    pub fn exit_program(status: u64) -> ! {
        loop {
            // Not `unreachable!`: the panic handler comes here itself.
            let _ = Self::call_with_numbers(SystemCall::ExitProgram, [status, 0, 0, 0, 0, 0]);
        }
    }

    /// Lets another ready thread run.
    pub fn yield_now() {
        let _ = Self::call_with_numbers(SystemCall::Yield, [0; 6]);
    }

    /// Writes UTF-8 text of at most 4096 bytes to the console, as many lines as it has room for, and answers how many bytes those
    /// are. [`crate::print!`] goes on until all is out.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for longer text or bytes that are not UTF-8.
    pub fn debug_write(text: &[u8]) -> Result<u64, Error> {
        Self::call_with_numbers(SystemCall::DebugWrite, [text.as_ptr() as u64, text.len() as u64, 0, 0, 0, 0])
    }

    /// Nanoseconds since the kernel started.
    #[must_use]
    pub fn clock() -> u64 {
        Self::call_with_numbers(SystemCall::Clock, [0; 6]).unwrap_or(0)
    }

    /// The index of the CPU that the calling thread runs on.
    #[must_use]
    pub fn cpu_number() -> u64 {
        Self::call_with_numbers(SystemCall::CpuNumber, [0; 6]).unwrap_or(u64::MAX)
    }

    /// Starts a thread of this program at `entry`, on CPU `cpu`, where it stays, or [`crate::abi::ANY_CPU`], or, with a set that is
    /// not empty, on any CPU of that; answers its number.
    /// [`crate::thread::Thread`] is the safe form.
    ///
    /// # Safety
    /// `entry` must be code that takes its argument in RDI, is entered and not called, and never returns; the
    /// memory below `stack_pointer` must be a stack that nothing else uses for as long as the thread runs.
    ///
    /// # Errors
    /// [`Error::NoSuchCpu`], [`Error::QuotaReached`], [`Error::OutOfMemory`], [`Error::InvalidArgument`] for addresses outside the user half.
    pub unsafe fn spawn_thread(
        entry: u64,
        stack_pointer: u64,
        argument: u64,
        cpu: u64,
        (set, length): (u64, u64),
    ) -> Result<u64, Error> {
        Self::call_with_numbers(SystemCall::SpawnThread, [entry, stack_pointer, argument, cpu, set, length])
    }

    /// Says on which CPUs a thread may run; [`crate::affinity::set`] is the typed form.
    ///
    /// # Errors
    /// As for [`crate::affinity::set`].
    pub fn set_affinity(thread: Thread, set: u64, length: u64) -> Result<u64, Error> {
        Self::call_with_numbers(SystemCall::SetAffinity, [thread.number(), set, length, 0, 0, 0])
    }

    /// On which CPUs a thread may run, a bit each; answers how many bytes are filled. [`crate::affinity::of`] is the typed form.
    ///
    /// # Errors
    /// As for [`crate::affinity::of`].
    pub fn affinity(thread: Thread, words: &mut [u64]) -> Result<u64, Error> {
        let (address, length) = (words.as_mut_ptr() as u64, size_of_val(words) as u64);
        // SAFETY: the kernel writes at most so many bytes there, to memory that is borrowed for that.
        unsafe { Self::call(SystemCall::GetAffinity, [thread.number(), address, length, 0, 0, 0]) }
    }

    /// Sleeps at least that long.
    pub fn sleep(nanoseconds: u64) {
        let _ = Self::call_with_numbers(SystemCall::Sleep, [nanoseconds, 0, 0, 0, 0, 0]);
    }

    /// Sleeps until the clock shows at least that.
    pub fn sleep_until(nanoseconds: u64) {
        let _ = Self::call_with_numbers(SystemCall::SleepUntil, [nanoseconds, 0, 0, 0, 0, 0]);
    }

    /// Starts a program from the boot archive on CPU `cpu` or [`crate::abi::ANY_CPU`]; answers its number.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] unless this is the first program; [`Error::NoSuchProgram`], [`Error::BadProgram`],
    /// [`Error::NoSuchCpu`], [`Error::OutOfMemory`].
    pub fn spawn_program(name: &str, argument: u64, cpu: u64) -> Result<u64, Error> {
        Self::spawn_program_with(name, argument, cpu, 0)
    }

    /// The same, but when the program is shut down, the kernel prints no line about it.
    ///
    /// # Errors
    /// As for [`Self::spawn_program`].
    pub fn spawn_program_quietly(name: &str, argument: u64, cpu: u64) -> Result<u64, Error> {
        Self::spawn_program_with(name, argument, cpu, SPAWN_QUIET)
    }

    fn spawn_program_with(name: &str, argument: u64, cpu: u64, flags: u64) -> Result<u64, Error> {
        let arguments = [name.as_ptr() as u64, name.len() as u64, argument, cpu, flags, 0];
        Self::call_with_numbers(SystemCall::SpawnProgram, arguments)
    }

    /// Waits until a program that this one started has ended, at most for the time given (`u64::MAX`: for ever); `None`
    /// when it was over, or when no started program is left.
    ///
    /// A call that has to wait is made twice, and counted twice by the kernel, where the time is not 0.
    ///
    /// # Errors
    /// None that a kernel with this ABI gives.
    pub fn wait_program(nanoseconds: u64) -> Result<Option<ProgramEnd>, Error> {
        let mut end = ProgramEnd::default();
        // SAFETY: the kernel writes one `ProgramEnd` to a place of that type that lives here.
        let answer = unsafe { Self::call(SystemCall::WaitProgram, [&raw mut end as u64, nanoseconds, 0, 0, 0, 0]) };
        match answer {
            Ok(_) => Ok(Some(end)),
            Err(Error::NothingToWaitFor) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands one line, without its line end, to the machine-readable channel, whole.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] unless this is the first program; [`Error::InvalidArgument`] above 1 MiB.
    pub fn record(line: &[u8]) -> Result<u64, Error> {
        Self::call_with_numbers(SystemCall::Record, [line.as_ptr() as u64, line.len() as u64, 0, 0, 0, 0])
    }

    /// Facts about the machine.
    ///
    /// # Errors
    /// None that a kernel with this ABI gives.
    pub fn system_information() -> Result<SystemInformation, Error> {
        Self::information(INFORMATION_SYSTEM, 0)
    }

    /// Facts about the CPU with this index.
    ///
    /// # Errors
    /// [`Error::NoSuchCpu`].
    pub fn cpu_information(index: u64) -> Result<CpuInformation, Error> {
        Self::information(INFORMATION_CPU, index)
    }

    /// Facts about swapping.
    ///
    /// # Errors
    /// None that a kernel with this ABI gives.
    pub fn swap_information() -> Result<SwapInformation, Error> {
        Self::information(INFORMATION_SWAP, 0)
    }

    /// The name of the `index`-th file of the boot archive.
    ///
    /// # Errors
    /// [`Error::NotFound`] beyond the last; [`Error::BufferTooSmall`].
    pub fn program_name(index: u64, buffer: &mut [u8]) -> Result<&str, Error> {
        Self::information_text(INFORMATION_PROGRAM_NAME, index, buffer)
    }

    /// The kernel's command line.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`].
    pub fn command_line(buffer: &mut [u8]) -> Result<&str, Error> {
        Self::information_text(INFORMATION_COMMAND_LINE, 0, buffer)
    }

    fn information<T: Default + FromBytes + IntoBytes>(kind: u64, index: u64) -> Result<T, Error> {
        let mut place = T::default();
        let bytes = place.as_mut_bytes();
        let arguments = [kind, index, bytes.as_mut_ptr() as u64, bytes.len() as u64, 0, 0];
        // SAFETY: the kernel writes at most the length given, to bytes that are borrowed for the call.
        unsafe { Self::call(SystemCall::Information, arguments)? };
        Ok(place)
    }

    fn information_text(kind: u64, index: u64, buffer: &mut [u8]) -> Result<&str, Error> {
        let arguments = [kind, index, buffer.as_mut_ptr() as u64, buffer.len() as u64, 0, 0];
        // SAFETY: the kernel writes at most the length given, to bytes that are borrowed for the call.
        let length = unsafe { Self::call(SystemCall::Information, arguments)? };
        let bytes = usize::try_from(length).ok().and_then(|length| buffer.get(..length));
        // A kernel that answers more than the buffer holds, or no text, breaks its ABI.
        bytes.and_then(|bytes| core::str::from_utf8(bytes).ok()).ok_or(Error::InvalidArgument)
    }

    /// Ends the machine; verdict 0 is pass.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] unless this is the first program.
    pub fn shut_down(verdict: u64) -> Result<Infallible, Error> {
        match Self::call_with_numbers(SystemCall::ShutDown, [verdict, 0, 0, 0, 0, 0]) {
            Err(error) => Err(error),
            Ok(answer) => unreachable!("the kernel came back from ShutDown with {answer}"),
        }
    }

    /// Sets the calling thread's FS base.
    ///
    /// # Safety
    /// Nothing in the program may rely on the former base.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an address that is not canonical.
    pub unsafe fn set_fs_base(address: u64) -> Result<u64, Error> {
        Self::call_with_numbers(SystemCall::SetBase, [BASE_FS, address, 0, 0, 0, 0])
    }

    /// Sets the calling thread's GS base.
    ///
    /// # Safety
    /// Nothing in the program may rely on the former base.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an address that is not canonical.
    pub unsafe fn set_gs_base(address: u64) -> Result<u64, Error> {
        Self::call_with_numbers(SystemCall::SetBase, [BASE_GS, address, 0, 0, 0, 0])
    }

    /// Moves the calling thread to another CPU.
    ///
    /// # Errors
    /// [`Error::NoSuchCpu`].
    pub fn move_to_cpu(cpu: u64) -> Result<u64, Error> {
        Self::call_with_numbers(SystemCall::MoveToCpu, [cpu, 0, 0, 0, 0, 0])
    }

    /// Interrupts another CPU, or all others ([`crate::abi::ALL_OTHER_CPUS`]), and waits until they have answered; answers the
    /// ticks of the time-stamp counter that it took. For one CPU, word 0 of the thread's message buffer holds the ticks
    /// until the handler there ran. A CPU that does not answer is asked again, for ten seconds.
    ///
    /// # Errors
    /// [`Error::NoSuchCpu`], [`Error::WouldBlock`] when a CPU does not answer.
    pub fn ping_cpu(cpu: u64) -> Result<u64, Error> {
        let ping = || Self::call_with_numbers(SystemCall::PingCpu, [cpu, 0, 0, 0, 0, 0]);
        let first = ping();
        if first != Err(Error::WouldBlock) {
            return first;
        }
        let deadline = Deadline::after(PING_PATIENCE);
        loop {
            match ping() {
                Err(Error::WouldBlock) if !deadline.passed() => {}
                answer => return answer,
            }
        }
    }

    /// Maps fresh zeroed pages, readable and writable. [`crate::memory::Memory`] is the owned form.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the place is not page-aligned, not in the user half or not free;
    /// [`Error::OutOfMemory`].
    pub fn map_memory(address: u64, length: u64) -> Result<u64, Error> {
        Self::call_with_numbers(SystemCall::MapMemory, [address, length, 0, 0, 0, 0])
    }

    /// Takes pages away again.
    ///
    /// # Safety
    /// Nothing may use the memory from the call on.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a range that is not one of user pages, [`Error::NotFound`] when none is mapped.
    pub unsafe fn unmap_memory(address: u64, length: u64) -> Result<u64, Error> {
        Self::call_with_numbers(SystemCall::UnmapMemory, [address, length, 0, 0, 0, 0])
    }
}
