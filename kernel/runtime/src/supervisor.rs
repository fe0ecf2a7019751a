//! Keeping a program running: it is started again when it ends badly.

use core::fmt;

use crate::Kernel;
use crate::abi::{EndCause, Error, ProgramEnd, ThreadInformation, ThreadState};
use crate::capability::{Capability, Program};
use crate::control::Suspended;
use crate::debugger::Debugger;
use crate::message::Utcb;
use crate::time::{Deadline, MILLISECOND};

/// Threads of a program that are looked at while it does not end.
const MOST_THREADS: usize = 64;
/// Nanoseconds between two looks.
const LOOK_EVERY: u64 = 10 * MILLISECOND;

/// A program that is to run until it exits with status 0.
///
/// The supervisor is, or is a thread of, the first program, and its thread is the only one that waits for programs meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Supervisor<'name> {
    /// Its name in the boot archive.
    pub name: &'name str,
    /// The CPU on which it is started, or [`crate::abi::ANY_CPU`].
    pub cpu: u64,
    /// How often it is started again, at most.
    pub restarts: u64,
    /// How long it may run each time, in nanoseconds.
    pub patience: u64,
    /// How long a thread of it may stand at a breakpoint that nobody handles, in nanoseconds.
    pub breakpoint_patience: u64,
}

/// How one run of the program came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It exited with status 0.
    Done,
    /// It exited with another status, or was shut down.
    Failed(ProgramEnd),
    /// It stood at a breakpoint until it was given up and shut down for that.
    Paused(ProgramEnd),
    /// It ran for too long, and was killed.
    TimedOut(ProgramEnd),
}

impl fmt::Display for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => out.write_str("done"),
            Self::Failed(end) => end.fmt(out),
            Self::Paused(end) => write!(out, "paused at {:#x}, and given up", end.instruction_pointer),
            Self::TimedOut(_) => out.write_str("ran for too long, and was killed"),
        }
    }
}

impl Supervisor<'_> {
    /// Runs the program until it is done, or has been started again so often as allowed; answers how the last run came out. `argument` chooses the program's argument by the number of the run, from 0; `report` hears of every run.
    ///
    /// # Errors
    /// What SpawnProgram, WaitProgram and the calls of a debugger answer.
    pub fn run(
        &self,
        utcb: Utcb,
        argument: impl Fn(u64) -> u64,
        mut report: impl FnMut(u64, &Run),
    ) -> Result<Run, Error> {
        let mut number = 0;
        loop {
            let run = self.run_once(utcb, argument(number))?;
            report(number, &run);
            if run == Run::Done || number >= self.restarts {
                return Ok(run);
            }
            number += 1;
        }
    }

    fn run_once(&self, utcb: Utcb, argument: u64) -> Result<Run, Error> {
        let Suspended { number, program, thread } = Program::spawn_suspended(self.name, argument, self.cpu, &utcb)?;
        thread.resume()?;
        thread.delete()?;
        let run = self.watch(number, program, utcb)?;
        program.delete()?;
        Ok(run)
    }

    /// Waits for the end of the program, and looks now and then whether it stands at a breakpoint.
    fn watch(&self, number: u64, program: Program, utcb: Utcb) -> Result<Run, Error> {
        let deadline = Deadline::after(self.patience);
        let mut paused = None;
        loop {
            match wait_for(number, deadline.left().min(LOOK_EVERY))? {
                Some(end) if end.cause == EndCause::Exited as u64 && end.status == 0 => return Ok(Run::Done),
                Some(end) => return Ok(Run::Failed(end)),
                None if deadline.passed() => {
                    program.kill()?;
                    return wait_for_ever(number).map(Run::TimedOut);
                }
                None => {}
            }
            paused = match (paused_thread(program)?, paused) {
                (None, _) => None,
                (Some(thread), Some((before, until))) if thread == before => Some((thread, until)),
                (Some(thread), _) => Some((thread, Deadline::after(self.breakpoint_patience))),
            };
            if let Some((thread, _)) = paused.filter(|(_, until)| until.passed()) {
                shut_down_at_breakpoint(program, thread, utcb)?;
                return wait_for_ever(number).map(Run::Paused);
            }
        }
    }
}

/// How the program with this number ended; ends of others are passed over.
fn wait_for(number: u64, nanoseconds: u64) -> Result<Option<ProgramEnd>, Error> {
    let deadline = Deadline::after(nanoseconds);
    loop {
        match Kernel::wait_program(deadline.left())? {
            Some(end) if end.program != number => {}
            answer => return Ok(answer),
        }
    }
}

/// How the program with this number ended that was shut down a moment ago.
fn wait_for_ever(number: u64) -> Result<ProgramEnd, Error> {
    wait_for(number, u64::MAX)?.ok_or(Error::NothingToWaitFor)
}

/// The number of the first thread that is paused.
fn paused_thread(program: Program) -> Result<Option<u64>, Error> {
    let mut threads = [ThreadInformation::default(); MOST_THREADS];
    program.list_threads(&mut threads)?;
    let paused = threads.iter().find(|thread| thread.state == ThreadState::Paused as u64);
    Ok(paused.map(|thread| thread.number))
}

/// Shuts a program down one of whose threads is paused: as its debugger, by the reply to the breakpoint.
fn shut_down_at_breakpoint(program: Program, thread: u64, utcb: Utcb) -> Result<(), Error> {
    let debugger = Debugger::new(utcb)?;
    let thread = program.open_thread(thread)?;
    let attached = debugger.attach(thread, 0);
    thread.delete()?;
    let _attached = attached?;
    debugger.wait()?.kill()
}

#[cfg(test)]
mod tests {
    use super::{EndCause, ProgramEnd, Run};
    use crate::abi::TrapNumber;

    #[test]
    fn every_end_has_words() {
        let exited = ProgramEnd { cause: EndCause::Exited as u64, status: 3, ..ProgramEnd::default() };
        assert_eq!(Run::Failed(exited).to_string(), "exited with status 3");
        let trap = ProgramEnd {
            cause: EndCause::Trap as u64,
            trap: TrapNumber::LOAD_PAGE_FAULT.to_bits(),
            instruction_pointer: 0x40_0000,
            address: 0x10,
            cpu: 2,
            ..ProgramEnd::default()
        };
        assert_eq!(Run::Failed(trap).to_string(), "load page fault at 0x400000, address 0x10, on CPU 2");
        assert_eq!(Run::Paused(trap).to_string(), "paused at 0x400000, and given up");
        let killed = ProgramEnd { cause: EndCause::Killed as u64, ..ProgramEnd::default() };
        assert_eq!(Run::Failed(killed).to_string(), "killed");
    }
}
