//! What a machine is made of: who does what, and which bug is put back.

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sending {
    /// A call.
    Call,
    /// A fault.
    Fault,
    /// A breakpoint.
    Breakpoint,
}

impl Sending {
    /// Whether it is a fault of some kind.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        !matches!(self, Self::Call)
    }
}

/// What a thread does. Objects are named by the slots of capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Calls.
    Call(usize),
    /// Takes a fault.
    Fault(Sending),
    /// Receives.
    Receive(usize),
    /// Replies to whom it owes a reply.
    Reply,
    /// Replies to a fault that its program is to end.
    ReplyKill,
    /// Puts the right to reply aside: into a slot, as this saved reply.
    Save(usize, usize),
    /// Replies to whom a slot stands for.
    ReplyTo(usize),
    /// Reads the registers of whom a slot stands for.
    ReadRegisters(usize),
    /// Reads the registers of whom it owes a reply.
    ReadOwed,
    /// Deletes a capability.
    Delete(usize),
    /// Clears a thread's breakpoint.
    ClearBreakpoint(usize),
    /// Signals.
    Signal(usize),
    /// Waits for a signal.
    Wait(usize),
    /// The same with a time limit.
    WaitLimited(usize),
    /// Binds what is in a slot as the handler of a paused thread.
    SetHandler(usize, usize),
    /// Kills a program.
    Kill(usize),
}

/// A bug that is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seeded {
    /// The last reference to a saved reply ends its client's program where it is dropped.
    LastReferenceEnds,
    /// Whoever takes a client leaves the link to the server.
    StaleServer,
    /// A thread that is woken while its program ends is freed at once, and the system call answers that nothing happened.
    EndInWake,
    /// The driver of an interrupt is woken with the driver's lock held.
    WakeUnderLock,
    /// A refused handler's capability is dropped with locks held.
    DropUnderLock,
    /// Nobody looks for marks once a message has been received.
    LostInHands,
    /// A pause leaves the limit of the fault in force.
    LimitOutlives,
    /// A client is taken, looked at and put back.
    PutBack,
    /// Whether a deadline has come for the present wait is asked before the thread is looked for, and not under the lock that
    /// keeps waits where they are.
    LimitAskedEarly,
}

/// A thread at the beginning.
#[derive(Clone, Debug)]
pub struct ThreadConfig {
    /// Its program.
    pub program: usize,
    /// Its CPU.
    pub cpu: usize,
    /// What it does; then it exits.
    pub script: Vec<Op>,
    /// The slot that its handler is bound by.
    pub handler: Option<usize>,
    /// The handler has a time limit.
    pub limited: bool,
}

/// What is in a slot at the beginning.
#[derive(Clone, Copy, Debug)]
pub struct SlotConfig {
    /// Whose it is.
    pub program: usize,
    /// What is in it.
    pub object: Option<crate::state::Object>,
}

/// A machine.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// How many CPUs there are.
    pub cpus: usize,
    /// The threads, in the order in which they are ready.
    pub threads: Vec<ThreadConfig>,
    /// The slots.
    pub slots: Vec<SlotConfig>,
    /// The notification that the interrupt signals, if there is one; how often it comes, and to which CPU.
    pub interrupt: Option<(usize, u8, usize)>,
    /// CPUs that do one trap each before the search begins.
    pub prologue: Vec<usize>,
    /// The bug.
    pub seeded: Option<Seeded>,
}

impl Config {
    /// Whether that bug is put back.
    #[must_use]
    pub fn has(&self, seeded: Seeded) -> bool {
        self.seeded == Some(seeded)
    }
}
