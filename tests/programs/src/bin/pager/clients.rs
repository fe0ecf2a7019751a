//! The clients: how they are started, and how each must end.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{EndCause, Error, ProgramEnd, TrapNumber, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::pager::GUARD_BYTES;
use gatehouse_runtime::time::SECOND;
use programs::raw::debugger::{read_registers, write_registers};
use programs::raw::message::{
    Suspended, copy_capability, first_utcb, resume_thread, set_fault_handler, spawn_suspended,
};
use programs::{PAGED_STACK_PAGES, PAGED_STACK_TOP, check, child, is_shut_down, wrong};

use crate::pagers::{Known, MAX_PAGERS, Tally, endpoint_of};

/// How deep the stack of a client is to become, in calls: more than half of what it may have, less than all.
pub(crate) const DEPTH: u64 = PAGED_STACK_PAGES * PAGE_SIZE / 1024;
/// How long a client may take.
const PATIENCE: u64 = 1200 * SECOND;
/// The most clients at a time.
pub(crate) const MAX_CLIENTS: usize = MAX_PAGERS * 5;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Touches fresh pages.
    Fresh,
    /// Loads and stores in the image.
    Image,
    /// Needs a stack.
    Stack,
    /// Needs more stack than there is.
    Overflow,
}

impl Kind {
    pub(crate) const COUNT: usize = 4;

    const fn program(self) -> &'static str {
        match self {
            Self::Fresh => "pager_client",
            Self::Image => "image_client",
            Self::Stack | Self::Overflow => "stack_client",
        }
    }

    fn must_end_so(self, end: &ProgramEnd) {
        let expected = match self {
            Self::Overflow => {
                let lowest = PAGED_STACK_TOP - PAGED_STACK_PAGES * PAGE_SIZE;
                is_shut_down(end, TrapNumber::STORE_PAGE_FAULT) && (lowest - GUARD_BYTES..lowest).contains(&end.address)
            }
            _ => end.cause == EndCause::Exited as u64 && end.status == 0,
        };
        check!(expected, "a client of the kind {self:?} ended so: {end:x?}");
    }
}

#[derive(Clone, Copy, Debug)]
struct Running {
    kind: Kind,
    client: Suspended,
    marked: u64,
}

/// Clients that run at the same time.
#[derive(Debug)]
pub(crate) struct Clients {
    pagers: usize,
    running: [Option<Running>; MAX_CLIENTS],
    count: usize,
}

impl Clients {
    /// None yet. So many pagers serve them: each CPU's clients the one with its number, or the first one for those that have none.
    pub(crate) const fn new(pagers: usize) -> Self {
        Self { pagers, running: [None; MAX_CLIENTS], count: 0 }
    }

    /// Starts a client on a CPU, with its faults bound to that CPU's pager.
    pub(crate) fn start(&mut self, kind: Kind, argument: u64, cpu: u64) {
        check!(self.count < MAX_CLIENTS, "more than {MAX_CLIENTS} clients");
        match self.try_start(kind, argument, cpu) {
            Ok(running) => self.running[self.count] = Some(running),
            Err(error) => wrong(file!(), format_args!("no client of the kind {kind:?} on CPU {cpu}: {error:?}")),
        }
        self.count += 1;
    }

    fn try_start(&self, kind: Kind, argument: u64, cpu: u64) -> Result<Running, Error> {
        // SAFETY: only the first thread comes here.
        let utcb = unsafe { first_utcb() };
        let client = spawn_suspended(kind.program(), argument, cpu, &utcb)?;
        let badge = self.count as u64 + 1;
        let Some(known) = Known::behind(badge) else { return Err(Error::NotFound) };
        known.begin(client.program);
        if matches!(kind, Kind::Stack | Kind::Overflow) {
            let registers = read_registers(client.thread, &utcb)?;
            write_registers(client.thread, &with_stack(registers), &utcb)?;
        }
        let marked = copy_capability(endpoint_of(cpu as usize % self.pagers), rights::SEND, badge, 0)?;
        set_fault_handler(client.thread, marked)?;
        resume_thread(client.thread)?;
        Ok(Running { kind, client, marked })
    }

    /// Waits until all have ended as they must; answers what became of their faults, by kind.
    pub(crate) fn wait(self) -> [Tally; Kind::COUNT] {
        for _ in 0..self.count {
            let end = Kernel::wait_program(PATIENCE);
            let Ok(Some(end)) = end else { wrong(file!(), format_args!("a client does not end: {end:?}")) };
            let ended = self.running.iter().flatten().find(|running| running.client.number == end.program);
            let Some(ended) = ended else { wrong(file!(), format_args!("another program ended: {end:x?}")) };
            ended.kind.must_end_so(&end);
        }
        let mut tally = [Tally::default(); Kind::COUNT];
        for (index, running) in self.running.iter().flatten().enumerate() {
            child::forget(&running.client);
            child::delete(&[running.marked]);
            let sum = &mut tally[running.kind as usize];
            let its = Known::behind(index as u64 + 1).map(Known::tally).unwrap_or_default();
            sum.fresh += its.fresh;
            sum.shared += its.shared;
            sum.copied += its.copied;
            sum.already += its.already;
            sum.overflows += its.overflows;
        }
        tally
    }
}

/// The registers of a program that has not run, with the stack that the pager backs.
fn with_stack(mut registers: gatehouse_runtime::abi::ThreadRegisters) -> gatehouse_runtime::abi::ThreadRegisters {
    registers.stack_pointer = PAGED_STACK_TOP;
    registers
}
