//! What a CPU does in one step, and what ends.

use crate::config::{Op, Sending};
use crate::state::Object;

/// Something that ends, in the order of the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The last capability of an object is gone.
    Close(Object),
    /// A thread is off every CPU and list for good.
    Gone(usize),
    /// A fault will not be handled.
    Unhandled(usize),
    /// A program's threads are to be stopped.
    Stop(usize),
    /// A program has no threads any more.
    Release(usize),
    /// Its parent is to be told.
    Report(usize),
}

impl End {
    /// Ends of a lower stage run first.
    #[must_use]
    pub const fn stage(self) -> u8 {
        match self {
            Self::Close(_) => 0,
            Self::Gone(_) => 1,
            Self::Unhandled(_) => 2,
            Self::Stop(_) => 3,
            Self::Release(_) => 4,
            Self::Report(_) => 5,
        }
    }
}

/// What a handler answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// The interrupted context goes on.
    Stay,
    /// The thread that the CPU was switched to.
    Switched,
    /// Whoever the run queue says.
    Choose,
}

/// Locks that are held for longer than one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    /// Keeps links from waiting threads stable.
    Waits,
    /// The interrupt's driver.
    Driver,
    /// A program's life.
    Life(usize),
    /// A thread's handler.
    Handler(usize),
}

/// Why a thread is looked for in all places where it may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Search {
    /// Its program ends, or it is overdue, and it has just begun the second of two waits.
    Honour {
        /// The program ends.
        ends: bool,
    },
    /// Its program ends.
    Cancel,
    /// Its deadline has come.
    Deadline,
}

/// What a CPU does in one step, in the kernel with interrupts off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Finds the object of a slot, and does the operation with it.
    Begin(Op),
    /// Looks for a receiver; the running thread waits if there is none.
    Send(usize, Sending),
    /// Nobody takes the fault of the running thread.
    NoHandler(Sending),
    /// The client's link is set: it has been given to that server.
    SetLink(usize, usize),
    /// The server gets the right to reply, and owns the client.
    Owe(usize, usize),
    /// Nobody runs here: a receiver does.
    RunInstead(usize),
    /// A receiver, or a waiter, is woken.
    Wake(usize),
    /// A thread has come to its CPU.
    MadeReady(usize),
    /// Whoever the running thread owed a reply gets none.
    Forget,
    /// Looks for a sender; the running thread waits if there is none.
    Receive(usize),
    /// A thread was in hands between two waits.
    HonourMarks(usize),
    /// Looks for a thread, under the lock of waits, but for a right to reply.
    TakeOut(usize, Search),
    /// Takes it from that server.
    TakeRight(usize, usize, Search),
    /// The client's link is cleared: it has been taken.
    ClearLink(usize),
    /// The client is answered; or its program killed, if it has faulted.
    Answer(usize, bool),
    /// The wait of a thread ends without what it waited for.
    Abandon(usize),
    /// It stands at its breakpoint.
    Pause(usize),
    /// The right to reply is put aside.
    SaveRight(usize),
    /// The client of a saved reply is taken and answered.
    TakeSaved(usize),
    /// Empties a slot, if that reply is in it.
    EmptySlot(usize, usize),
    /// Looks at the client of a saved reply.
    Inspect(usize),
    /// A reference goes that is no capability.
    DropReference(Object),
    /// A capability goes.
    DropCapability(Object),
    /// The result is written to the frame of the running thread.
    WriteFrame,
    /// A binding was removed.
    Unbind(usize, usize),
    /// Takes a thread from its debugger, but for a right to reply.
    TakeBreakpoint(usize),
    /// Takes it from that server.
    TakeBreakpointRight(usize, usize),
    /// Puts a client back.
    PutBack(usize, usize),
    /// Lets a paused thread go on.
    Unpause(usize),
    /// A notification is signalled.
    Signal(usize),
    /// The running thread waits for a signal, with a limit or without.
    WaitFor(usize, bool),
    /// The interrupt has come; its driver is locked.
    Interrupted,
    /// The lock is given back.
    Unlock(Lock),
    /// The handler of a paused thread is changed: both locks are taken.
    LockHandler(usize, usize),
    /// The capability in the slot is shared.
    Bind(usize, usize),
    /// Takes a paused thread whose handler has been changed.
    TakePaused(usize),
    /// A paused thread's breakpoint is told to its handler.
    DeliverPending(usize),
    /// It looks for a receiver.
    SendPending(usize, usize),
    /// How a program ends is decided.
    DecideEnd(usize),
    /// A thread is put into the queue of what ends.
    PutGone(usize),
    /// Whoever a thread owed a reply gets none: it goes.
    ReleaseClient(usize),
    /// It loses its handler.
    ReleaseHandler(usize),
    /// It leaves its program.
    RemoveThread(usize),
    /// The program is noted as ending.
    NoteEnding(usize),
    /// Looks for all threads of a program, from this one on.
    CancelFrom(usize, usize),
    /// Ends the paused threads.
    EndPaused(usize),
    /// Asks other CPUs to look for threads of the program.
    AskToReap(usize),
    /// Ends what is ready and runs here of programs that end.
    Reap,
    /// All programs that end are gone through, from this one on.
    CancelAgain(usize),
    /// The inbox has been emptied: what the CPU is asked for.
    PendingWork,
    /// The program is noted no longer, and loses its capabilities.
    LoseCapabilities(usize),
    /// A program's last capabilities have gone.
    PutReport(usize),
    /// An object closes.
    Close(Object),
    /// No CPU has the program's tables; its parent is told.
    Report(usize),
    /// A deadline has come: the thread is marked.
    MarkOverdue(usize),
    /// Private to the CPU: the end of a trap.
    Conclude,
    /// Private: the ends that wait.
    Drain,
    /// Private: the end of an end.
    Ended,
    /// Private: chooses who runs.
    Pick,
    /// Private: returns as it would have done, unless nobody runs any more.
    ReturnAfterEnds,
    /// Private: returns through the frame that it was entered by, if somebody runs.
    Return,
}
