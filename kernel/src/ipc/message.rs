//! Moving a message from one thread to another.

use gatehouse_abi::{FaultMessage, MessageTag, TrapNumber};

use super::capability_transfer::copy_capabilities;
use crate::arch::{Arch, ArchTrap as _, Frame, TrapFrame as _};
use crate::thread::{OffCpu, Thread};

/// What a thread is doing that waits in, or comes from, an endpoint's queue of senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sending {
    /// It goes on as soon as the message is taken.
    Send,
    /// It waits for a reply.
    Call,
    /// Its fault is the message, and it waits for a reply.
    Fault,
}

/// Gives `receiver` the message that `sender` has in its registers and UTCB, or as its fault.
///
/// Both threads are off their CPUs or the running one of this CPU, and the caller owns both.
#[inline(always)]
pub(super) fn transfer(sender: &Thread, sending: Sending, receiver: &Thread, badge: u64) {
    if sending == Sending::Fault {
        // SAFETY: the caller owns the sender, and nobody writes to its frame.
        transfer_fault(sender, unsafe { &*sender.frame_pointer() }, receiver, badge, sender.fault());
        return;
    }
    // SAFETY: the caller owns the sender, and nobody else refers to its frame.
    let from = unsafe { &*sender.frame_pointer() };
    let tag = copy_rest(sender, receiver, from.message_tag());
    // SAFETY: as for the sender.
    unsafe { &mut *receiver.frame_pointer() }.set_message(tag, badge, from.message_words());
}

/// The fault that the thread has had.
#[inline(always)]
pub fn fault_message(thread: &OffCpu<'_>) -> FaultMessage {
    let frame = thread.frame();
    let (number, address) = thread.fault();
    FaultMessage {
        cause: number.to_bits(),
        address,
        program_counter: frame.instruction_pointer(),
        access: Arch::error_code(frame) | Arch::vector(frame) << 32,
        stack_pointer: frame.stack_pointer(),
        flags: Arch::flags(frame),
        thread: thread.number(),
        cpu: u64::from(thread.cpu().get()),
    }
}

/// The first words travel in registers, as in any message. `frame` is the sender's own.
#[inline(always)]
pub(super) fn transfer_fault(sender: &Thread, frame: &Frame, receiver: &Thread, badge: u64, what: (TrapNumber, u64)) {
    let to = receiver.utcb();
    to.set(FaultMessage::STACK_POINTER, frame.stack_pointer());
    to.set(FaultMessage::FLAGS, Arch::flags(frame));
    to.set(FaultMessage::THREAD, sender.number());
    to.set(FaultMessage::CPU, u64::from(sender.cpu().get()));
    let access = Arch::error_code(frame) | Arch::vector(frame) << 32;
    let words = [what.0.to_bits(), what.1, frame.instruction_pointer(), access];
    let tag = MessageTag::new(MessageTag::FAULT, FaultMessage::WORDS);
    // SAFETY: the caller owns the receiver, and nobody else refers to its frame.
    unsafe { &mut *receiver.frame_pointer() }.set_message(tag, badge, words);
}

/// Copies what does not travel in registers; answers the tag of the message as it arrives.
#[inline(always)]
pub(super) fn copy_rest(sender: &Thread, receiver: &Thread, tag: MessageTag) -> MessageTag {
    if tag.needs_buffer() { copy_buffer(sender, receiver, tag) } else { tag }
}

#[inline(never)]
fn copy_buffer(sender: &Thread, receiver: &Thread, tag: MessageTag) -> MessageTag {
    let (from, to) = (sender.utcb(), receiver.utcb());
    for word in MessageTag::REGISTER_WORDS as usize..tag.words().min(MessageTag::MAX_WORDS) as usize {
        to.set(word, from.get(word));
    }
    match tag.capabilities() {
        0 => tag,
        count => tag.with_capabilities(copy_capabilities(sender, receiver, count)),
    }
}
