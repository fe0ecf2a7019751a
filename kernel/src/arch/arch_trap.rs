//! What every processor must offer to the trap layer.

use core::fmt;

use gatehouse_abi::{MessageTag, TrapNumber};

/// Who was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A program.
    User,
    /// The kernel itself, idling included.
    Kernel,
}

/// What is known about a trap before its frame is looked into.
#[derive(Clone, Copy, Debug)]
pub struct TrapInfo {
    /// What happened.
    pub number: TrapNumber,
    /// The processor's own number; only for reports.
    pub vector: u64,
    /// Who was interrupted.
    pub origin: Origin,
    /// What happened, in words.
    pub description: &'static str,
    /// The address that was accessed; 0 where the trap is about none, or the processor does not tell.
    pub address: u64,
}

/// A saved context, as far as portable code may look into it.
pub trait TrapFrame {
    /// Who was interrupted.
    fn origin(&self) -> Origin;
    /// The address of the instruction that runs next when the frame is returned through.
    fn instruction_pointer(&self) -> u64;
    /// The stack pointer.
    fn stack_pointer(&self) -> u64;
    /// Which system call is asked for.
    fn system_call_number(&self) -> u64;
    /// The system call's arguments.
    fn system_call_arguments(&self) -> [u64; 6];
    /// Sets what the system call answers.
    fn set_system_call_result(&mut self, value: u64);
    /// Moves the instruction pointer back, so that the thread makes the same system call again when it goes on. The
    /// result must not have been set.
    fn restart_system_call(&mut self);
    /// Undoes [`Self::restart_system_call`]: the thread goes on behind the call.
    fn finish_system_call(&mut self);
    /// Sets what a new thread finds as its arguments.
    fn set_thread_arguments(&mut self, arguments: [u64; 3]);
    /// The tag of the message that a system call sends.
    fn message_tag(&self) -> MessageTag;
    /// The half of that tag's register that means something.
    fn message_tag_bits(&self) -> u32;
    /// The words of the message that travel in registers.
    fn message_words(&self) -> [u64; 4];
    /// Sets a received message whose words are those that `sender` sends.
    fn take_message(&mut self, tag: MessageTag, badge: u64, sender: &Self);
    /// Sets a received message: its tag is the system call's result.
    fn set_message(&mut self, tag: MessageTag, badge: u64, words: [u64; 4]);
}

/// A processor's part of the trap layer.
pub trait ArchTrap {
    /// The saved context.
    type Frame: TrapFrame;

    /// Handles an exception that is the processor's part of the kernel's own business, and nobody else's: a refused access to a
    /// model-specific register, which the kernel tries out; a step or breakpoint of a program that was delayed into the kernel.
    /// Answers whether it has: then nothing is reported, and the frame goes on.
    fn handle_exception(frame: &mut Self::Frame) -> bool;

    /// What happened, by vector and error code alone.
    fn number(frame: &Self::Frame) -> TrapNumber;
    /// The processor's own number of the trap; only for reports.
    fn vector(frame: &Self::Frame) -> u64;
    /// The processor's error code; 0 when there is none.
    fn error_code(frame: &Self::Frame) -> u64;
    /// The flags register.
    fn flags(frame: &Self::Frame) -> u64;

    /// Whether the context takes interrupts.
    fn takes_interrupts(frame: &Self::Frame) -> bool;

    /// What a thread stands at whose frame this is: the breakpoint, step or watchpoint that stopped it. `None` if its
    /// last trap was another one. The debug status is the frame's error code.
    fn breakpoint(frame: &Self::Frame) -> Option<TrapInfo>;

    /// Writes the decoded cause, on one line.
    ///
    /// # Errors
    /// Whatever the writer answers.
    fn describe_cause(info: &TrapInfo, frame: &Self::Frame, out: &mut dyn fmt::Write) -> fmt::Result;

    /// Writes all registers as `name=value`, on one line.
    ///
    /// # Errors
    /// Whatever the writer answers.
    fn describe_registers(frame: &Self::Frame, out: &mut dyn fmt::Write) -> fmt::Result;
}
