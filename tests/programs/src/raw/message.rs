//! Messages, fault handlers and capabilities.

use gatehouse_runtime::abi::{Error, MessageTag};
use gatehouse_runtime::capability::{Capability, Endpoint, Program, Reply, Rights, Slot, Thread};
pub use gatehouse_runtime::message::{Message, Utcb, first_utcb};
use gatehouse_runtime::{control, message};

/// The thread itself, where a thread capability is asked for.
pub const SELF: u64 = Slot::NONE.number();

const fn endpoint(slot: u64) -> Endpoint {
    Endpoint::from_slot(Slot::new(slot))
}

const fn program(slot: u64) -> Program {
    Program::from_slot(Slot::new(slot))
}

const fn thread(slot: u64) -> Thread {
    Thread::from_slot(Slot::new(slot))
}

/// See [`Endpoint::call`].
///
/// # Errors
/// As there.
#[inline(always)]
pub fn call(slot: u64, tag: MessageTag, words: [u64; 4]) -> Result<Message, Error> {
    endpoint(slot).call(tag, words)
}

/// See [`Endpoint::receive`].
///
/// # Errors
/// As there.
#[inline(always)]
pub fn receive(slot: u64, tag: MessageTag) -> Result<Message, Error> {
    endpoint(slot).receive(tag)
}

/// See [`Endpoint::reply_receive`].
///
/// # Errors
/// As there.
#[inline(always)]
pub fn reply_receive(slot: u64, tag: MessageTag, words: [u64; 4]) -> Result<Message, Error> {
    endpoint(slot).reply_receive(tag, words)
}

/// See [`Endpoint::send`].
///
/// # Errors
/// As there.
pub fn send(slot: u64, tag: MessageTag, words: [u64; 4]) -> Result<u64, Error> {
    endpoint(slot).send(tag, words).map(|()| 0)
}

/// See [`message::reply`].
///
/// # Errors
/// As there.
pub fn reply(tag: MessageTag, words: [u64; 4]) -> Result<u64, Error> {
    message::reply(tag, words).map(|()| 0)
}

/// See [`Endpoint::create`].
///
/// # Errors
/// As there.
pub fn create_endpoint() -> Result<u64, Error> {
    Endpoint::create().map(|endpoint| endpoint.slot().number())
}

/// See [`Capability::copy`] and, for a program's slot other than 0, [`Capability::grant`].
///
/// # Errors
/// As there.
pub fn copy_capability(slot: u64, rights: u64, badge: u64, destination: u64) -> Result<u64, Error> {
    endpoint(slot).grant(program(destination), Rights::from_bits_retain(rights), badge).map(Slot::number)
}

/// See [`Capability::move_to`] and, for a program's slot other than 0, [`Capability::give`].
///
/// # Errors
/// As there.
pub fn move_capability(slot: u64, receiver: u64, destination: u64) -> Result<u64, Error> {
    endpoint(slot).give(program(receiver), Slot::new(destination)).map(Slot::number)
}

/// See [`Reply::save`].
///
/// # Errors
/// As there.
pub fn save_reply() -> Result<u64, Error> {
    Reply::save().map(|reply| reply.slot().number())
}

/// See [`Reply::reply`].
///
/// # Errors
/// As there.
pub fn reply_to(slot: u64, tag: MessageTag, words: [u64; 4]) -> Result<u64, Error> {
    Reply::from_slot(Slot::new(slot)).reply(tag, words).map(|()| 0)
}

/// See [`Reply::read_registers`].
///
/// # Errors
/// As there.
pub fn read_saved_registers(slot: u64) -> Result<u64, Error> {
    Reply::from_slot(Slot::new(slot)).read_registers().map(|()| 0)
}

/// See [`message::read_fault_registers`].
///
/// # Errors
/// As there.
pub fn read_fault_registers() -> Result<u64, Error> {
    message::read_fault_registers().map(|()| 0)
}

/// See [`Capability::delete`].
///
/// # Errors
/// As there.
pub fn delete_capability(slot: u64) -> Result<u64, Error> {
    endpoint(slot).delete().map(|()| 0)
}

/// See [`Capability::revoke`].
///
/// # Errors
/// As there.
pub fn revoke_capability(slot: u64) -> Result<u64, Error> {
    endpoint(slot).revoke().map(|()| 0)
}

/// See [`Thread::set_fault_handler`].
///
/// # Errors
/// As there.
pub fn set_fault_handler(slot: u64, handler: u64) -> Result<u64, Error> {
    thread(slot).set_fault_handler(endpoint(handler)).map(|()| 0)
}

/// See [`Thread::set_fault_handler_within`].
///
/// # Errors
/// As there.
pub fn set_fault_handler_within(slot: u64, handler: u64, nanoseconds: u64) -> Result<u64, Error> {
    thread(slot).set_fault_handler_within(endpoint(handler), nanoseconds).map(|()| 0)
}

/// See [`Thread::resume`].
///
/// # Errors
/// As there.
pub fn resume_thread(slot: u64) -> Result<u64, Error> {
    thread(slot).resume().map(|()| 0)
}

/// See [`Program::map`].
///
/// # Errors
/// As there.
pub fn map_into(slot: u64, address: u64, length: u64) -> Result<u64, Error> {
    program(slot).map(address, length)
}

/// See [`Program::swap_out`].
///
/// # Errors
/// As there.
pub fn swap_out(slot: u64, address: u64, length: u64) -> Result<u64, Error> {
    program(slot).swap_out(address, length)
}

/// See [`Program::read_memory`].
///
/// # Errors
/// As there.
pub fn read_memory(slot: u64, address: u64, buffer: &mut [u8]) -> Result<u64, Error> {
    program(slot).read_memory(address, buffer)
}

/// See [`Program::write_memory`].
///
/// # Errors
/// As there.
pub fn write_memory(slot: u64, address: u64, buffer: &[u8]) -> Result<u64, Error> {
    program(slot).write_memory(address, buffer)
}

/// [`control::Suspended`] by numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspended {
    /// Its number.
    pub number: u64,
    /// The slot of the program.
    pub program: u64,
    /// The slot of its first thread.
    pub thread: u64,
}

/// See [`Program::spawn_suspended`].
///
/// # Errors
/// As there.
pub fn spawn_suspended(name: &str, argument: u64, cpu: u64, utcb: &Utcb) -> Result<Suspended, Error> {
    let control::Suspended { number, program, thread } = Program::spawn_suspended(name, argument, cpu, utcb)?;
    Ok(Suspended { number, program: program.slot().number(), thread: thread.slot().number() })
}

/// See [`Utcb::send_capabilities`].
pub fn send_capabilities(utcb: &Utcb, slots: &[u64]) {
    utcb.send_capabilities(&named(slots)[..slots.len()]);
}

/// See [`Utcb::accept_capabilities`].
pub fn accept_capabilities(utcb: &Utcb, slots: &[u64]) {
    utcb.accept_capabilities(&named(slots)[..slots.len()]);
}

/// See [`Utcb::arrived_capability`].
#[must_use]
pub fn arrived_capability(utcb: &Utcb, index: usize) -> u64 {
    utcb.arrived_capability(index).number()
}

/// As many as a message holds; the rest is [`Slot::NONE`].
fn named(slots: &[u64]) -> [Slot; MessageTag::MAX_CAPABILITIES as usize] {
    core::array::from_fn(|index| slots.get(index).map_or(Slot::NONE, |slot| Slot::new(*slot)))
}
