//! Messages, fault handling and capabilities, typed.

use crate::abi::{
    Error, FaultMessage, MessageTag, SLOT_NONE, SPAWN_QUIET, SPAWN_SUSPENDED, SystemCall, ThreadRegisters,
    UTCB_CAPABILITIES, UTCB_RECEIVE_SLOTS,
};
use crate::door::{Door, Syscall};

/// A message as it arrived: its tag, the badge of the capability that it was sent through (0 for replies), and the words
/// that travel in registers. Longer messages have the rest in the receiver's [`Utcb`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Label and length.
    pub tag: MessageTag,
    /// Who sent it, as far as the receiver marked its capabilities.
    pub badge: u64,
    /// The first four words.
    pub words: [u64; 4],
}

impl Message {
    /// The fault that the message tells of; `None` if it is an ordinary message.
    #[must_use]
    pub fn fault(&self, utcb: &Utcb) -> Option<FaultMessage> {
        let [cause, address, program_counter, access] = self.words;
        (self.tag.label() == MessageTag::FAULT).then(|| FaultMessage {
            cause,
            address,
            program_counter,
            access,
            stack_pointer: utcb.get(4),
            flags: utcb.get(5),
            thread: utcb.get(6),
            cpu: utcb.get(7),
        })
    }
}

/// A thread's message buffer: one page that it shares with the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Utcb(u64);

/// Words in the buffer.
const WORDS: usize = 512;

impl Utcb {
    /// The buffer whose address the thread found in RDX when it started.
    ///
    /// # Safety
    /// It must be that address, and only that thread may use the value.
    #[must_use]
    pub const unsafe fn new(address: u64) -> Self {
        Self(address)
    }

    /// Reads a word.
    ///
    /// # Panics
    /// If there is no such word.
    #[must_use]
    pub fn get(&self, word: usize) -> u64 {
        assert!(word < WORDS);
        // SAFETY: inside the page, by the contract of `new`; volatile since the kernel writes it.
        unsafe { (self.0 as *const u64).add(word).read_volatile() }
    }

    /// Writes a word.
    ///
    /// # Panics
    /// If there is no such word.
    pub fn set(&self, word: usize, value: u64) {
        assert!(word < WORDS);
        // SAFETY: inside the page, by the contract of `new`; volatile since the kernel reads it.
        unsafe { (self.0 as *mut u64).add(word).write_volatile(value) };
    }

    /// Names the slots of capabilities to be sent with the next message, whose tag has their count.
    ///
    /// # Panics
    /// If there are more than a message holds.
    pub fn send_capabilities(&self, slots: &[u64]) {
        assert!(slots.len() as u64 <= MessageTag::MAX_CAPABILITIES);
        slots.iter().enumerate().for_each(|(index, slot)| self.set(UTCB_CAPABILITIES + index, *slot));
    }

    /// Names the slots in which capabilities may be received; the rest are refused.
    ///
    /// # Panics
    /// If there are more than a message holds.
    pub fn accept_capabilities(&self, slots: &[u64]) {
        assert!(slots.len() as u64 <= MessageTag::MAX_CAPABILITIES);
        for index in 0..MessageTag::MAX_CAPABILITIES as usize {
            self.set(UTCB_RECEIVE_SLOTS + index, slots.get(index).copied().unwrap_or(SLOT_NONE));
        }
    }

    /// Where a capability of the message that was received last has arrived, of as many as its tag says.
    #[must_use]
    pub fn arrived_capability(&self, index: usize) -> u64 {
        self.get(UTCB_CAPABILITIES + index)
    }

    /// The registers at offset 0, as [`read_fault_registers`] left them.
    #[must_use]
    pub fn registers(&self) -> ThreadRegisters {
        // SAFETY: inside the page and aligned; any bits are registers.
        unsafe { (self.0 as *const ThreadRegisters).read_volatile() }
    }

    /// Puts registers at offset 0, for [`crate::abi::REPLY_REGISTERS`].
    pub fn set_registers(&self, registers: &ThreadRegisters) {
        // SAFETY: inside the page and aligned.
        unsafe { (self.0 as *mut ThreadRegisters).write_volatile(*registers) };
    }
}

#[inline(always)]
fn exchange(call: SystemCall, endpoint: u64, tag: MessageTag, words: [u64; 4]) -> Result<Message, Error> {
    exchange_words(call, endpoint, tag.to_bits(), words)
}

/// Makes a call that receives.
#[inline(always)]
pub(crate) fn exchange_words(call: SystemCall, object: u64, argument: u64, words: [u64; 4]) -> Result<Message, Error> {
    let answer: u64;
    let badge: u64;
    let [mut first, mut second, mut third, mut fourth] = words;
    crate::door::count(crate::door::CallsMade { syscall: 1, int80: 0 });
    #[cfg(target_os = "none")]
    // SAFETY: the registers are those of the ABI; the kernel writes to this thread's UTCB besides and to nothing else.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") call as u64 => answer,
            inlateout("rdi") object => badge,
            in("rsi") argument,
            inlateout("rdx") first,
            inlateout("r10") second,
            inlateout("r8") third,
            inlateout("r9") fourth,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    #[cfg(not(target_os = "none"))]
    {
        (answer, badge) = (Error::UnknownSystemCall.to_register(), object);
        let _ = (call, argument);
        (first, second, third, fourth) = (fourth, third, second, first);
    }
    let tag = MessageTag::from_bits(Error::from_register(answer)?);
    Ok(Message { tag, badge, words: [first, second, third, fourth] })
}

/// Sends and waits for the reply.
///
/// # Errors
/// [`Error::Gone`] if nobody will ever reply; [`Error::WouldBlock`] for a non-blocking tag; those of the capability.
#[inline(always)]
pub fn call(endpoint: u64, tag: MessageTag, words: [u64; 4]) -> Result<Message, Error> {
    exchange(SystemCall::Call, endpoint, tag, words)
}

/// Waits for a message.
///
/// # Errors
/// As for [`call`].
#[inline(always)]
pub fn receive(endpoint: u64, tag: MessageTag) -> Result<Message, Error> {
    exchange(SystemCall::Receive, endpoint, tag, [0; 4])
}

/// Answers the last message, if it wants an answer, and waits for the next one.
///
/// # Errors
/// As for [`call`].
#[inline(always)]
pub fn reply_receive(endpoint: u64, tag: MessageTag, words: [u64; 4]) -> Result<Message, Error> {
    exchange(SystemCall::ReplyReceive, endpoint, tag, words)
}

pub(crate) fn plain(call: SystemCall, arguments: [u64; 6]) -> Result<u64, Error> {
    // SAFETY: the callers below pass numbers, and buffers that are borrowed for the call.
    Error::from_register(unsafe { Syscall::call(call, arguments) })
}

/// Sends and goes on once the message is taken.
///
/// # Errors
/// As for [`call`].
pub fn send(endpoint: u64, tag: MessageTag, [first, second, third, fourth]: [u64; 4]) -> Result<u64, Error> {
    plain(SystemCall::Send, [endpoint, tag.to_bits(), first, second, third, fourth])
}

/// Answers the last message and goes on.
///
/// # Errors
/// [`Error::WrongState`] if no reply is owed.
pub fn reply(tag: MessageTag, [first, second, third, fourth]: [u64; 4]) -> Result<u64, Error> {
    plain(SystemCall::Reply, [0, tag.to_bits(), first, second, third, fourth])
}

/// Makes an endpoint.
///
/// # Errors
/// [`Error::QuotaReached`], [`Error::OutOfMemory`].
pub fn create_endpoint() -> Result<u64, Error> {
    plain(SystemCall::CreateEndpoint, [0; 6])
}

/// Copies a capability into the program's own space, or another's; see [`SystemCall::CopyCapability`].
///
/// # Errors
/// Those of the capabilities.
pub fn copy_capability(slot: u64, rights: u64, badge: u64, program: u64) -> Result<u64, Error> {
    plain(SystemCall::CopyCapability, [slot, rights, badge, program, 0, 0])
}

/// Moves a capability within the program's own space ([`SLOT_NONE`]), or to another's; see [`SystemCall::MoveCapability`].
///
/// # Errors
/// Those of the capabilities.
pub fn move_capability(slot: u64, program: u64, destination: u64) -> Result<u64, Error> {
    plain(SystemCall::MoveCapability, [slot, program, destination, 0, 0, 0])
}

/// Puts the right to reply to the last message aside; answers its slot.
///
/// # Errors
/// [`Error::WrongState`] if no reply is owed; [`Error::QuotaReached`], [`Error::OutOfMemory`].
pub fn save_reply() -> Result<u64, Error> {
    plain(SystemCall::SaveReply, [0; 6])
}

/// Replies by a right that was put aside, and is gone then.
///
/// # Errors
/// [`Error::WrongState`] if nobody waits for it any more; those of the capability.
pub fn reply_to(slot: u64, tag: MessageTag, [first, second, third, fourth]: [u64; 4]) -> Result<u64, Error> {
    plain(SystemCall::ReplyTo, [slot, tag.to_bits(), first, second, third, fourth])
}

/// Puts the registers of a thread whose fault's reply was put aside into the caller's UTCB.
///
/// # Errors
/// [`Error::WrongState`] if it is no fault's; those of the capability.
pub fn read_saved_registers(slot: u64) -> Result<u64, Error> {
    plain(SystemCall::ReadFaultRegisters, [slot, 0, 0, 0, 0, 0])
}

/// Deletes a capability.
///
/// # Errors
/// [`Error::BadCapability`].
pub fn delete_capability(slot: u64) -> Result<u64, Error> {
    plain(SystemCall::DeleteCapability, [slot, 0, 0, 0, 0, 0])
}

/// Deletes all that was derived from a capability.
///
/// # Errors
/// [`Error::BadCapability`].
pub fn revoke_capability(slot: u64) -> Result<u64, Error> {
    plain(SystemCall::RevokeCapability, [slot, 0, 0, 0, 0, 0])
}

/// Binds where the faults of a thread go: the calling one ([`SLOT_NONE`]), or one that was not resumed yet.
///
/// # Errors
/// Those of the capabilities; [`Error::WrongState`] for another thread that runs.
pub fn set_fault_handler(thread: u64, endpoint: u64) -> Result<u64, Error> {
    plain(SystemCall::SetFaultHandler, [thread, endpoint, 0, 0, 0, 0])
}

/// As [`set_fault_handler`]; if a reply takes longer than so many nanoseconds, the program is shut down.
///
/// # Errors
/// As for [`set_fault_handler`].
pub fn set_fault_handler_within(thread: u64, endpoint: u64, nanoseconds: u64) -> Result<u64, Error> {
    plain(SystemCall::SetFaultHandler, [thread, endpoint, nanoseconds, 0, 0, 0])
}

/// Lets a suspended thread run.
///
/// # Errors
/// [`Error::WrongState`] if it was resumed already.
pub fn resume_thread(thread: u64) -> Result<u64, Error> {
    plain(SystemCall::ResumeThread, [thread, 0, 0, 0, 0, 0])
}

/// Maps fresh pages into another program.
///
/// # Errors
/// Those of the capability, and of [`SystemCall::MapMemory`].
pub fn map_into(program: u64, address: u64, length: u64) -> Result<u64, Error> {
    plain(SystemCall::MapInto, [program, address, length, 0, 0, 0])
}

/// Swaps out pages of a program; answers how many bytes went.
///
/// # Errors
/// Those of the capability; [`Error::InvalidArgument`] for a range that is not one of user pages or longer than 1 MiB;
/// [`Error::NotPermitted`] where nothing is swapped.
pub fn swap_out(program: u64, address: u64, length: u64) -> Result<u64, Error> {
    plain(SystemCall::SwapOut, [program, address, length, 0, 0, 0])
}

/// Reads another program's memory.
///
/// # Errors
/// Those of the capability; [`Error::BadAddress`].
pub fn read_memory(program: u64, address: u64, buffer: &mut [u8]) -> Result<u64, Error> {
    plain(SystemCall::ReadMemory, [program, address, buffer.as_mut_ptr() as u64, buffer.len() as u64, 0, 0])
}

/// Writes another program's memory.
///
/// # Errors
/// Those of the capability; [`Error::BadAddress`].
pub fn write_memory(program: u64, address: u64, buffer: &[u8]) -> Result<u64, Error> {
    plain(SystemCall::WriteMemory, [program, address, buffer.as_ptr() as u64, buffer.len() as u64, 0, 0])
}

/// Puts the registers of the thread whose fault was received last into the caller's UTCB.
///
/// # Errors
/// [`Error::WrongState`] if no fault was.
pub fn read_fault_registers() -> Result<u64, Error> {
    plain(SystemCall::ReadFaultRegisters, [0; 6])
}

/// A program that was started and does not run yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspended {
    /// Its number.
    pub number: u64,
    /// The capability of it.
    pub program: u64,
    /// The capability of its first thread.
    pub thread: u64,
}

/// Starts a program that does not run until [`resume_thread`]; no line is printed when it is shut down.
///
/// # Errors
/// As for [`SystemCall::SpawnProgram`].
pub fn spawn_suspended(name: &str, argument: u64, cpu: u64, utcb: &Utcb) -> Result<Suspended, Error> {
    let flags = SPAWN_SUSPENDED | SPAWN_QUIET;
    let arguments = [name.as_ptr() as u64, name.len() as u64, argument, cpu, flags, 0];
    let number = plain(SystemCall::SpawnProgram, arguments)?;
    Ok(Suspended { number, program: utcb.get(0), thread: utcb.get(1) })
}

/// The thread itself, where a thread capability is asked for.
pub const SELF: u64 = SLOT_NONE;

/// The buffer of a program's first thread.
///
/// # Safety
/// Only the first thread may use it.
#[must_use]
pub const unsafe fn first_utcb() -> Utcb {
    // SAFETY: the first thread's buffer is the first one (see `docs/abi.md`), and the caller is that thread.
    unsafe { Utcb::new(crate::abi::UTCB_BASE) }
}
