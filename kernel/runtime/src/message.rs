//! Messages: sending, receiving, replying, and what a fault tells its handler.

use crate::abi::{Error, FaultMessage, MessageTag, SystemCall, ThreadRegisters, UTCB_CAPABILITIES, UTCB_RECEIVE_SLOTS};
use crate::capability::{Endpoint, Reply, Slot};
use crate::entry_point::{EntryPoint, Syscall};

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
    pub fn send_capabilities(&self, slots: &[Slot]) {
        assert!(slots.len() as u64 <= MessageTag::MAX_CAPABILITIES);
        slots.iter().enumerate().for_each(|(index, slot)| self.set(UTCB_CAPABILITIES + index, slot.number()));
    }

    /// Names the slots in which capabilities may be received; the rest are refused.
    ///
    /// # Panics
    /// If there are more than a message holds.
    pub fn accept_capabilities(&self, slots: &[Slot]) {
        assert!(slots.len() as u64 <= MessageTag::MAX_CAPABILITIES);
        for index in 0..MessageTag::MAX_CAPABILITIES as usize {
            self.set(UTCB_RECEIVE_SLOTS + index, slots.get(index).copied().unwrap_or(Slot::NONE).number());
        }
    }

    /// Where a capability of the message that was received last has arrived, of as many as its tag says.
    #[must_use]
    pub fn arrived_capability(&self, index: usize) -> Slot {
        Slot::new(self.get(UTCB_CAPABILITIES + index))
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

/// Makes a call that receives.
#[inline(always)]
pub(crate) fn exchange_words(call: SystemCall, object: u64, argument: u64, words: [u64; 4]) -> Result<Message, Error> {
    let answer: u64;
    let badge: u64;
    let [mut first, mut second, mut third, mut fourth] = words;
    crate::entry_point::count(crate::entry_point::CallsMade { syscall: 1, int80: 0 });
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

pub(crate) fn plain(call: SystemCall, arguments: [u64; 6]) -> Result<u64, Error> {
    // SAFETY: the callers in this crate pass numbers, and buffers that are borrowed for the call.
    Error::from_register(unsafe { Syscall::call(call, arguments) })
}

/// A call that answers nothing but whether it was done.
pub(crate) fn done(call: SystemCall, arguments: [u64; 6]) -> Result<(), Error> {
    plain(call, arguments).map(drop)
}

impl Endpoint {
    /// Makes one.
    ///
    /// # Errors
    /// [`Error::QuotaReached`], [`Error::OutOfMemory`].
    pub fn create() -> Result<Self, Error> {
        plain(SystemCall::CreateEndpoint, [0; 6]).map(|slot| Self::from_slot(Slot::new(slot)))
    }

    /// Sends and waits for the reply.
    ///
    /// # Errors
    /// [`Error::Gone`] if nobody will ever reply; [`Error::WouldBlock`] for a non-blocking tag; [`Error::BadCapability`],
    /// [`Error::NoRight`].
    #[inline(always)]
    pub fn call(self, tag: MessageTag, words: [u64; 4]) -> Result<Message, Error> {
        exchange_words(SystemCall::Call, self.number(), tag.to_bits(), words)
    }

    /// Waits for a message.
    ///
    /// # Errors
    /// As for [`Self::call`].
    #[inline(always)]
    pub fn receive(self, tag: MessageTag) -> Result<Message, Error> {
        exchange_words(SystemCall::Receive, self.number(), tag.to_bits(), [0; 4])
    }

    /// Answers the last message, if it wants an answer, and waits for the next one.
    ///
    /// # Errors
    /// As for [`Self::call`].
    #[inline(always)]
    pub fn reply_receive(self, tag: MessageTag, words: [u64; 4]) -> Result<Message, Error> {
        exchange_words(SystemCall::ReplyReceive, self.number(), tag.to_bits(), words)
    }

    /// Sends and goes on once the message is taken.
    ///
    /// # Errors
    /// As for [`Self::call`].
    pub fn send(self, tag: MessageTag, [first, second, third, fourth]: [u64; 4]) -> Result<(), Error> {
        done(SystemCall::Send, [self.number(), tag.to_bits(), first, second, third, fourth])
    }
}

/// Answers the last message and goes on.
///
/// # Errors
/// [`Error::WrongState`] if no reply is owed.
pub fn reply(tag: MessageTag, [first, second, third, fourth]: [u64; 4]) -> Result<(), Error> {
    done(SystemCall::Reply, [0, tag.to_bits(), first, second, third, fourth])
}

/// Puts the registers of the thread whose fault was received last into the caller's UTCB.
///
/// # Errors
/// [`Error::WrongState`] if no fault was.
pub fn read_fault_registers() -> Result<(), Error> {
    done(SystemCall::ReadFaultRegisters, [0; 6])
}

impl Reply {
    /// Puts the right to reply to the last message aside.
    ///
    /// # Errors
    /// [`Error::WrongState`] if no reply is owed; [`Error::QuotaReached`], [`Error::OutOfMemory`].
    pub fn save() -> Result<Self, Error> {
        plain(SystemCall::SaveReply, [0; 6]).map(|slot| Self::from_slot(Slot::new(slot)))
    }

    /// Replies, by which the right is gone.
    ///
    /// # Errors
    /// [`Error::WrongState`] if nobody waits for it any more; [`Error::BadCapability`].
    pub fn reply(self, tag: MessageTag, [first, second, third, fourth]: [u64; 4]) -> Result<(), Error> {
        done(SystemCall::ReplyTo, [self.number(), tag.to_bits(), first, second, third, fourth])
    }

    /// Puts the registers of the thread whose fault it is about into the caller's UTCB.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is no fault's; [`Error::BadCapability`].
    pub fn read_registers(self) -> Result<(), Error> {
        done(SystemCall::ReadFaultRegisters, [self.number(), 0, 0, 0, 0, 0])
    }
}

/// The buffer of a program's first thread.
///
/// # Safety
/// Only the first thread may use it.
#[must_use]
pub const unsafe fn first_utcb() -> Utcb {
    // SAFETY: the first thread's buffer is the first one (see `docs/abi.md`), and the caller is that thread.
    unsafe { Utcb::new(crate::abi::UTCB_BASE) }
}
