//! The debugger's side: where stops arrive.

use core::marker::PhantomData;

use super::{Breakpoint, Debuggee, Stop};
use crate::abi::{Error, MessageTag};
use crate::capability::{Capability, Endpoint, Program, Rights, Thread};
use crate::control::Suspended;
use crate::message::{Message, Utcb};

/// What ties a thread to its debugger. Dropping it detaches: from then on breakpoints pause the thread, and faults shut its
/// program down.
#[derive(Debug)]
#[must_use = "dropping it detaches the debugger"]
pub struct Attachment<'debugger>(Endpoint, PhantomData<&'debugger Debugger>);

impl Drop for Attachment<'_> {
    fn drop(&mut self) {
        let _ = self.0.delete();
    }
}

/// An endpoint where the breakpoints and faults of debugged programs arrive. It belongs to one thread, whose message buffer
/// it uses.
#[derive(Debug)]
pub struct Debugger {
    endpoint: Endpoint,
    utcb: Utcb,
}

impl Debugger {
    /// A debugger of the calling thread, whose message buffer that is.
    ///
    /// # Errors
    /// What CreateEndpoint answers.
    pub fn new(utcb: Utcb) -> Result<Self, Error> {
        Ok(Self { endpoint: Endpoint::create()?, utcb })
    }

    /// A debugger at an endpoint that is there already, of the calling thread, whose message buffer that is.
    #[must_use]
    pub const fn at(endpoint: Endpoint, utcb: Utcb) -> Self {
        Self { endpoint, utcb }
    }

    /// Starts a program of the boot archive that runs from [`Debuggee::resume`] on. Its stops arrive here.
    ///
    /// # Errors
    /// What SpawnProgram answers.
    pub fn start(&self, name: &str, argument: u64, cpu: u64) -> Result<Debuggee<'_>, Error> {
        let Suspended { number, program, thread } = Program::spawn_suspended(name, argument, cpu, &self.utcb)?;
        let attachment = self.attach(thread, number)?;
        Ok(Debuggee::new(number, program, thread, attachment))
    }

    /// Makes the stops of a thread that is suspended or paused arrive here, with that badge, and those of threads that it
    /// starts from then on. What it is paused at arrives at once.
    ///
    /// # Errors
    /// [`Error::WrongState`] for a thread in another state; those of the capability.
    pub fn attach(&self, thread: Thread, badge: u64) -> Result<Attachment<'_>, Error> {
        let attachment = Attachment(self.endpoint.copy(Rights::SEND, badge)?, PhantomData);
        thread.set_fault_handler(attachment.0)?;
        Ok(attachment)
    }

    /// Waits for the next stop of any debugged thread. One that was not answered stays paused, or is shut down if it stopped
    /// for a fault.
    ///
    /// # Errors
    /// [`Error::Gone`]; [`Error::InvalidArgument`] for a message that is no fault, which only somebody sends who was given the
    /// endpoint.
    pub fn wait(&self) -> Result<Stop, Error> {
        self.take(self.endpoint.receive(MessageTag::default())?)
    }

    /// The stop that has arrived already, if any.
    ///
    /// # Errors
    /// As for [`Self::wait`].
    pub fn try_wait(&self) -> Result<Option<Stop>, Error> {
        match self.endpoint.receive(MessageTag::default().non_blocking()) {
            Ok(message) => self.take(message).map(Some),
            Err(Error::WouldBlock) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn take(&self, message: Message) -> Result<Stop, Error> {
        let fault = message.fault(&self.utcb).ok_or(Error::InvalidArgument)?;
        Ok(Stop::new(fault, message.badge, self.utcb))
    }

    /// Lets a thread that stands behind the `int3` of a breakpoint execute what was there before, and arms the breakpoint
    /// again; answers where it stops then, one instruction later. Other threads of the program may pass the place meanwhile,
    /// and their stops are not to be told from this one but by their number.
    ///
    /// # Errors
    /// Those of the steps: memory, registers, the reply, the next stop.
    pub fn step_over(&self, debuggee: &Debuggee<'_>, stop: Stop, breakpoint: &mut Breakpoint) -> Result<Stop, Error> {
        let mut registers = stop.registers()?;
        registers.instruction_pointer = breakpoint.address();
        breakpoint.disarm(debuggee)?;
        stop.step_with(registers)?;
        let next = self.wait()?;
        breakpoint.arm(debuggee)?;
        Ok(next)
    }
}

impl Drop for Debugger {
    /// Nothing is attached any more. A thread whose stop was not answered stays where it is until the debugger's thread
    /// receives something else, or ends.
    fn drop(&mut self) {
        let _ = self.endpoint.delete();
    }
}
