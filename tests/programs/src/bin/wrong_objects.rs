//! Each kind of object where each other kind is wanted, in every call that takes a capability; and each goes once, with its last
//! capability. A first program.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{
    ANY_CPU, DEFAULT_PRIORITY, Error, MessageTag, SLOT_ANY, SLOT_DEVICE_CONTROL, SLOT_FIRST_THREAD, SLOT_NONE,
    SLOT_OWN_PROGRAM, SystemCall, rights,
};
use gatehouse_runtime::entry_point::{EntryPoint, Int80, Syscall};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::timer::Timer;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::set_priority;
use programs::raw::device::{create_device, create_interrupt, create_ports};
use programs::raw::message::{
    SELF, call, copy_capability, delete_capability, receive, reply, reply_receive, save_reply,
};
use programs::raw::{frame, notification};
use programs::{UNMAPPED, check, child, cpus, ok, wrong};

entry!(run);

/// Kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Endpoint,
    Notification,
    Reply,
    Thread,
    Program,
    Frame,
    Interrupt,
    Ports,
    Control,
    Device,
    Timer,
}

const KINDS: [Kind; 11] = [
    Kind::Endpoint,
    Kind::Notification,
    Kind::Reply,
    Kind::Thread,
    Kind::Program,
    Kind::Frame,
    Kind::Interrupt,
    Kind::Ports,
    Kind::Control,
    Kind::Device,
    Kind::Timer,
];

/// An argument of a call.
#[derive(Clone, Copy)]
enum Argument {
    /// A number.
    Number(u64),
    /// An object of this kind, with all rights.
    Of(Kind),
    /// An object of this kind is wanted, and others are given.
    Here(Kind),
}

use Argument::{Here, Number, Of};

/// A tag without words that does not wait.
const TAG: Argument = Number(MessageTag::new(0, 0).non_blocking().to_bits());

/// Every place of every call where a capability of one kind is wanted.
const PLACES: &[(SystemCall, &[Argument])] = &[
    (SystemCall::CopyCapability, &[Of(Kind::Endpoint), Number(rights::ALL), Number(0), Here(Kind::Program)]),
    (SystemCall::MoveCapability, &[Of(Kind::Endpoint), Here(Kind::Program), Number(SLOT_ANY)]),
    (SystemCall::Send, &[Here(Kind::Endpoint), TAG]),
    (SystemCall::Receive, &[Here(Kind::Endpoint), TAG]),
    (SystemCall::Call, &[Here(Kind::Endpoint), TAG]),
    (SystemCall::ReplyReceive, &[Here(Kind::Endpoint), TAG]),
    (SystemCall::SetFaultHandler, &[Here(Kind::Thread), Of(Kind::Endpoint)]),
    (SystemCall::SetFaultHandler, &[Number(SLOT_NONE), Here(Kind::Endpoint)]),
    (SystemCall::ResumeThread, &[Here(Kind::Thread)]),
    (SystemCall::MapInto, &[Here(Kind::Program), Number(UNMAPPED), Number(PAGE_SIZE)]),
    (SystemCall::ReadMemory, &[Here(Kind::Program)]),
    (SystemCall::WriteMemory, &[Here(Kind::Program)]),
    (SystemCall::ReadFaultRegisters, &[Here(Kind::Reply)]),
    (SystemCall::Signal, &[Here(Kind::Notification)]),
    (SystemCall::Wait, &[Here(Kind::Notification)]),
    (SystemCall::KillProgram, &[Here(Kind::Program)]),
    (SystemCall::SuspendThread, &[Here(Kind::Thread)]),
    (SystemCall::CreateTimer, &[Number(ANY_CPU), Here(Kind::Notification)]),
    (SystemCall::SetTimer, &[Here(Kind::Timer)]),
    (SystemCall::CancelTimer, &[Here(Kind::Timer)]),
    (SystemCall::ReadTimer, &[Here(Kind::Timer)]),
    (SystemCall::ReplyTo, &[Here(Kind::Reply)]),
    (SystemCall::ClearBreakpoint, &[Here(Kind::Thread)]),
    (SystemCall::ReadRegisters, &[Here(Kind::Thread)]),
    (SystemCall::WriteRegisters, &[Here(Kind::Thread)]),
    (SystemCall::SetHardwareBreakpoint, &[Here(Kind::Thread)]),
    (SystemCall::PatchMemory, &[Here(Kind::Program)]),
    (SystemCall::ListThreads, &[Here(Kind::Program)]),
    (SystemCall::OpenThread, &[Here(Kind::Program)]),
    (SystemCall::SwapOut, &[Here(Kind::Program), Number(UNMAPPED), Number(PAGE_SIZE)]),
    (SystemCall::CreateInterrupt, &[Here(Kind::Control), Number(LINE)]),
    (SystemCall::BindInterrupt, &[Here(Kind::Interrupt), Number(SLOT_NONE)]),
    (SystemCall::BindInterrupt, &[Of(Kind::Interrupt), Here(Kind::Notification)]),
    (SystemCall::AcknowledgeInterrupt, &[Here(Kind::Interrupt)]),
    (SystemCall::CreatePorts, &[Here(Kind::Control), Number(PORT), Number(1)]),
    (SystemCall::ReadPort, &[Here(Kind::Ports), Number(PORT), Number(1)]),
    (SystemCall::WritePort, &[Here(Kind::Ports), Number(PORT), Number(1)]),
    (SystemCall::CreateFrame, &[Here(Kind::Frame)]),
    (SystemCall::MapFrame, &[Here(Kind::Frame), Number(SLOT_NONE), Number(UNMAPPED), Number(rights::READ)]),
    (SystemCall::MapFrame, &[Of(Kind::Frame), Here(Kind::Program), Number(UNMAPPED), Number(rights::READ)]),
    (SystemCall::UnmapFrom, &[Here(Kind::Program), Number(UNMAPPED), Number(PAGE_SIZE)]),
    (SystemCall::SetPriority, &[Here(Kind::Thread), Number(16)]),
    (SystemCall::SetAffinity, &[Here(Kind::Thread), Number(ANY_CPU)]),
    (SystemCall::GetAffinity, &[Here(Kind::Thread)]),
    (SystemCall::BindConsole, &[Here(Kind::Control), Number(SLOT_NONE)]),
    (SystemCall::BindConsole, &[Of(Kind::Control), Here(Kind::Notification)]),
    (SystemCall::ReadConsole, &[Here(Kind::Control)]),
    (SystemCall::CreateDevice, &[Here(Kind::Control)]),
    (SystemCall::ReadConfiguration, &[Here(Kind::Device)]),
    (SystemCall::WriteConfiguration, &[Here(Kind::Device)]),
    (SystemCall::CreateDeviceFrame, &[Here(Kind::Device)]),
    (SystemCall::CreateMessage, &[Here(Kind::Device)]),
    (SystemCall::MoveInterrupt, &[Here(Kind::Interrupt)]),
    (SystemCall::FrameAddress, &[Here(Kind::Device), Of(Kind::Frame)]),
    (SystemCall::FrameAddress, &[Of(Kind::Device), Here(Kind::Frame)]),
];

/// The clock's line, and the first of its ports.
const LINE: u64 = 8;
const PORT: u64 = 0x70;

/// Slots, in the order of [`KINDS`].
type Slots = [u64; KINDS.len()];

fn run(_argument: u64) -> u64 {
    let (slots, device, client) = one_of_each();
    let powerless = slots.map(|slot| ok("a copy without rights", copy_capability(slot, 0, 0, SLOT_NONE)));
    for (call, arguments) in PLACES {
        let wanted = arguments.iter().find_map(|argument| if let Here(kind) = argument { Some(*kind) } else { None });
        for (number, kind) in KINDS.into_iter().enumerate() {
            let expected = if Some(kind) == wanted { Error::NoRight } else { Error::BadCapability };
            refused::<Syscall>(*call, arguments, &slots, powerless[number], expected);
            refused::<Int80>(*call, arguments, &slots, powerless[number], expected);
            if Some(kind) != wanted {
                refused::<Syscall>(*call, arguments, &slots, slots[number], expected);
            }
        }
    }
    whoever_waits_notices_nothing();
    ends(&slots, &powerless, device, client);
    println!("wrong_objects: all cases hold on {} CPUs", cpus());
    0
}

static ENDPOINT: AtomicU64 = AtomicU64::new(0);

/// An object of each kind; also the number of the device's function, and the thread that waits for the reply.
fn one_of_each() -> (Slots, u64, Thread) {
    let endpoint = child::endpoint();
    ENDPOINT.store(endpoint, Ordering::SeqCst);
    let client = ok("a client", Thread::spawn(client, 0, 0));
    let _message = child::message(endpoint);
    let mut functions = (0..256).filter_map(|function| create_device(function).ok().map(|device| (function, device)));
    let Some((function, device)) = functions.next() else { wrong(file!(), format_args!("no PCI function")) };
    let slots = KINDS.map(|kind| match kind {
        Kind::Endpoint => endpoint,
        Kind::Notification => ok("notification", notification::create()),
        Kind::Reply => ok("reply", save_reply()),
        Kind::Thread => SLOT_FIRST_THREAD,
        Kind::Program => SLOT_OWN_PROGRAM,
        Kind::Frame => ok("frame", frame::create()),
        Kind::Interrupt => ok("interrupt", create_interrupt(LINE)),
        Kind::Ports => ok("ports", create_ports(PORT as u16, 2)),
        Kind::Control => SLOT_DEVICE_CONTROL,
        Kind::Device => device,
        Kind::Timer => ok("timer", Timer::create(ANY_CPU)).slot().number(),
    });
    (slots, function, client)
}

/// Calls, and answers the error; 0 for a reply.
fn client(_argument: u64) -> u64 {
    let answer = call(ENDPOINT.load(Ordering::SeqCst), MessageTag::new(0, 0), [0; 4]);
    answer.map_or_else(|error| error as u64, |_| 0)
}

/// The slot of an object of this kind.
fn of(slots: &Slots, wanted: Kind) -> u64 {
    let place = KINDS.iter().position(|kind| *kind == wanted);
    place.map_or(SLOT_NONE, |place| slots[place])
}

/// Makes a call with the slot given where one is wanted, and checks that it is refused so.
fn refused<E: EntryPoint>(call: SystemCall, arguments: &[Argument], slots: &Slots, given: u64, expected: Error) {
    let mut words = [0; 6];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = match *argument {
            Number(number) => number,
            Of(kind) => of(slots, kind),
            Here(_) => given,
        };
    }
    // SAFETY: the call is refused for its capability and writes nothing; if not, that is what is looked for.
    let answer = Error::from_register(unsafe { E::call(call, words) });
    check!(answer == Err(expected), "{call:?} with slot {given}: {answer:x?} instead of {expected:?}");
}

/// More urgent than the first thread.
const URGENT: u64 = DEFAULT_PRIORITY + 1;

static NOTIFICATION: AtomicU64 = AtomicU64::new(0);
/// How many threads have come to the point where they wait, and how many are past it.
static WAITING: AtomicU64 = AtomicU64::new(0);
static WOKEN: AtomicU64 = AtomicU64::new(0);

/// Where somebody waits for it on this CPU, a message or signal takes few instructions, and asks for the right all the same.
fn whoever_waits_notices_nothing() {
    check!(Kernel::move_to_cpu(0) == Ok(0), "CPU 0 cannot be reached");
    let (endpoint, notification) = (child::endpoint(), ok("notification", notification::create()));
    ENDPOINT.store(endpoint, Ordering::SeqCst);
    NOTIFICATION.store(notification, Ordering::SeqCst);
    let without = |slot, right: u64| ok("a copy", copy_capability(slot, rights::ALL & !right, 0, SLOT_NONE));
    let (mute, silent, deaf) =
        (without(endpoint, rights::SEND), without(notification, rights::SEND), without(endpoint, rights::RECEIVE));
    let [server, waiter] = [serve, wait].map(|function| ok("a thread", Thread::spawn(function, 0, 0)));
    check!(wait_until(20 * SECOND, || WAITING.load(Ordering::SeqCst) == 2), "they do not wait");
    let tag = MessageTag::new(0, 0);
    check!(call(mute, tag, [0; 4]).err() == Some(Error::NoRight), "called without the right to");
    check!(notification::signal(silent) == Err(Error::NoRight), "signalled without the right to");
    check!(WOKEN.load(Ordering::SeqCst) == 0, "somebody was woken");
    check!(call(endpoint, tag, [0; 4]).is_ok(), "not called");
    check!(notification::signal(notification) == Ok(0), "not signalled");
    check!(server.join(20 * SECOND) == Some(0) && waiter.join(20 * SECOND) == Some(0), "not woken");
    // The right to receive, of whoever owes a reply: it is owed still.
    let client = ok("a client", Thread::spawn(client, 0, 0));
    let _message = child::message(endpoint);
    check!(reply_receive(deaf, tag, [0; 4]).err() == Some(Error::NoRight), "received without the right to");
    check!(reply(tag, [0; 4]) == Ok(0), "no reply was owed any more");
    check!(client.join(20 * SECOND) == Some(0), "another answer");
    child::delete(&[mute, silent, deaf, endpoint, notification]);
}

/// Serves one call.
fn serve(_argument: u64) -> u64 {
    WAITING.fetch_add(1, Ordering::SeqCst);
    let served = receive(ENDPOINT.load(Ordering::SeqCst), MessageTag::new(0, 0));
    WOKEN.fetch_add(1, Ordering::SeqCst);
    u64::from(served.is_err() || reply(MessageTag::new(0, 0), [0; 4]) != Ok(0))
}

/// Waits for one signal.
fn wait(_argument: u64) -> u64 {
    check!(set_priority(SELF, URGENT) == Ok(0), "not more urgent");
    WAITING.fetch_add(1, Ordering::SeqCst);
    let signalled = notification::wait(NOTIFICATION.load(Ordering::SeqCst));
    WOKEN.fetch_add(1, Ordering::SeqCst);
    u64::from(signalled.is_err())
}

/// What was refused has changed nothing: each object is there until its last capability goes, and is gone then.
fn ends(slots: &Slots, powerless: &Slots, device: u64, client: Thread) {
    let delete = |slot: u64| check!(delete_capability(slot) == Ok(0), "slot {slot} is empty");
    delete(of(slots, Kind::Interrupt));
    check!(create_interrupt(LINE) == Err(Error::WrongState), "the line is free while there is a capability of it");
    delete(of(slots, Kind::Device));
    check!(create_device(device) == Err(Error::WrongState), "the function is free while there is a capability of it");
    delete(of(slots, Kind::Reply));
    check!(Kernel::wait_program(0) == Ok(None), "a program ended");
    for kind in [Kind::Endpoint, Kind::Notification, Kind::Frame, Kind::Ports, Kind::Timer] {
        delete(of(slots, kind));
    }
    for slot in *powerless {
        delete(slot);
        check!(delete_capability(slot) == Err(Error::BadCapability), "slot {slot} is not empty");
    }
    check!(client.join(20 * SECOND) == Some(Error::Gone as u64), "the client was not told that nobody will reply");
    delete(ok("the line again", create_interrupt(LINE)));
    delete(ok("the function again", create_device(device)));
    let only_thread = || Kernel::system_information().is_ok_and(|system| (system.threads, system.programs) == (1, 1));
    check!(wait_until(SECOND, only_thread), "something is left behind");
}
