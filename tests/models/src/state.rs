//! What the machine is at one moment, as far as lives and ends go.

use crate::config::Sending;
use crate::step::{End, Lock, Next, Step};

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// It runs, or is ready to.
    Nothing,
    /// In an endpoint's queue, for a receiver.
    ToSend(Sending),
    /// In an endpoint's queue, for a message.
    ToReceive,
    /// For a reply.
    ForReply(Sending),
    /// For a signal.
    ForNotification,
    /// At a breakpoint that nobody handles.
    Paused,
}

/// The limit of a wait: a thread's flags, and what the deadline was set for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limit {
    /// There is one.
    pub set: bool,
    /// It has come while nobody found the thread.
    pub overdue: bool,
    /// The wait that it limits is over.
    pub void: bool,
    /// The number of that wait: for the check alone.
    pub wait: u8,
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Thread {
    /// Everything that it had is given back.
    pub gone: bool,
    /// References besides its owner's. Its memory goes when it is gone and there are none.
    pub references: u8,
    /// How many operations of its script it has begun.
    pub begun: usize,
    /// What it waits for.
    pub wait: Wait,
    /// Waits that it has begun: names the present one.
    pub waits: u8,
    /// Where it waits, by four links.
    pub endpoint: Option<usize>,
    /// The second.
    pub notification: Option<usize>,
    /// The third.
    pub saved: Option<usize>,
    /// The fourth.
    pub server: Option<usize>,
    /// Whom it owes a reply, and whether for a breakpoint.
    pub client: Option<(usize, bool)>,
    /// Which wait of which thread it has the message of: for the check alone.
    pub serves: Option<(usize, u8)>,
    /// The limit of its wait.
    pub limit: Limit,
    /// It is in its CPU's timer list.
    pub timed: bool,
    /// The endpoint that takes its faults; the reference stays when the capability has gone.
    pub handler: Option<usize>,
    /// The slot whose capability the handler was bound by, while it is bound.
    pub bound: Option<usize>,
}

/// A program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Program {
    /// Threads that are not gone.
    pub threads: u8,
    /// Its end is decided.
    pub ending: bool,
    /// Its parent has been told.
    pub reported: bool,
    /// Its threads that stand at a breakpoint.
    pub paused: Vec<usize>,
}

/// What capabilities stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// An endpoint.
    Endpoint(usize),
    /// A notification.
    Notification(usize),
    /// A saved reply.
    Reply(usize),
    /// The interrupt.
    Interrupt,
}

/// What keeps an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Capabilities: with the last the object closes.
    pub capabilities: u8,
    /// References besides: with the last of all its memory goes.
    pub references: u8,
}

impl Counts {
    /// Its memory has gone.
    #[must_use]
    pub const fn is_freed(self) -> bool {
        self.capabilities == 0 && self.references == 0
    }
}

/// An endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// What keeps it.
    pub counts: Counts,
    /// It has closed.
    pub closed: bool,
    /// Who waits to send.
    pub senders: Vec<usize>,
    /// Who waits to receive.
    pub receivers: Vec<usize>,
}

/// A notification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Notification {
    /// What keeps it.
    pub counts: Counts,
    /// It has closed.
    pub closed: bool,
    /// It was signalled.
    pub bits: bool,
    /// Who waits.
    pub waiters: Vec<usize>,
}

/// A saved reply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reply {
    /// What keeps it.
    pub counts: Counts,
    /// To whom it is owed.
    pub client: Option<usize>,
    /// As in a thread.
    pub serves: Option<(usize, u8)>,
}

/// The interrupt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interrupt {
    /// What keeps it.
    pub counts: Counts,
    /// The notification that it signals.
    pub bound: Option<usize>,
    /// How often it will still come.
    pub left: u8,
}

/// A CPU.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cpu {
    /// Who runs.
    pub current: Option<usize>,
    /// Whose frame the trap came through.
    pub frame: Option<usize>,
    /// Whose tables are loaded.
    pub root: Option<usize>,
    /// Who is ready.
    pub ready: Vec<usize>,
    /// Who was handed over.
    pub inbox: Vec<usize>,
    /// It is asked to look for threads of programs that end.
    pub reap: bool,
    /// What it is going to do, the next last; nothing while it runs a program, or idles.
    pub todo: Vec<Step>,
    /// What the handler answers.
    pub next: Next,
    /// The ends that wait.
    pub ends: Vec<End>,
    /// One is being run.
    pub draining: bool,
    /// A reference that the handler keeps until it is over.
    pub kept: Option<Object>,
    /// The same for a thread.
    pub kept_thread: Option<usize>,
    /// A bug that was put back: ends run where they are put in.
    pub inline: bool,
}

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Violation {
    /// A step has touched the memory of a thread or an object that is freed.
    UseAfterFree,
    /// A thread is in two places, or in none.
    Owners,
    /// A CPU goes back to a program through the frame of a thread that is not its own.
    Return,
    /// An end runs while a lock is held, or inside another, or in the middle of a handler.
    NestedEnd,
    /// A CPU takes a lock that it has.
    LockTwice,
    /// A reply goes to another call than the one that was received.
    WrongCaller,
    /// A deadline ends another wait than the one that it was set for.
    WrongDeadline,
    /// Nothing can happen any more, and something is left undone.
    Lost,
}

impl Violation {
    /// All.
    pub const ALL: [Self; 8] = [
        Self::UseAfterFree,
        Self::Owners,
        Self::Return,
        Self::NestedEnd,
        Self::LockTwice,
        Self::WrongCaller,
        Self::WrongDeadline,
        Self::Lost,
    ];
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Its CPUs.
    pub cpus: Vec<Cpu>,
    /// All threads.
    pub threads: Vec<Thread>,
    /// All programs.
    pub programs: Vec<Program>,
    /// All endpoints.
    pub endpoints: Vec<Endpoint>,
    /// All notifications.
    pub notifications: Vec<Notification>,
    /// All saved replies.
    pub replies: Vec<Reply>,
    /// The interrupt.
    pub interrupt: Interrupt,
    /// What is in each slot.
    pub slots: Vec<Option<Object>>,
    /// Programs that are noted as ending.
    pub ending: Vec<usize>,
    /// Locks that are held, and by whom.
    pub locks: Vec<(Lock, usize)>,
    /// What went wrong, a bit each.
    pub broken: u16,
}
