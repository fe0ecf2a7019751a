//! CPUs for tests, in virtual time: the clock is read, time passes, and what is due happens.

use core::cell::{Cell, RefCell};
use std::vec::Vec;

use percpu::ApicId;

use super::{IpiSender, StartRecord};
use crate::clock::Clock;
use crate::icr::{Command, Destination};
use crate::local_apic::SendError;

/// Virtual nanoseconds that pass with each reading of the clock.
const TICK_NS: u64 = 1_000;

pub(super) const BOOT_ID: ApicId = ApicId::new(0);

/// How a CPU behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Claims its record so many nanoseconds after the first SIPI; online as many later.
    Answers { after_ns: u64 },
    /// The same, but it tries every step twice.
    AnswersTwice { after_ns: u64 },
    /// Takes no notice of the first SIPI.
    NeedsSecondStartup,
    /// Claims its record and never comes online.
    Stalls,
    /// Never does anything.
    Dead,
    /// Like `Answers`, but deaf to every INIT after it got a SIPI.
    AnswersDeafToInit { after_ns: u64 },
    /// The sender has an error for it.
    Unreachable(SendError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Claim,
    Online,
}

struct Cpu {
    behaviour: Behaviour,
    /// INIT arrived and no SIPI since.
    waits_for_startup: bool,
    startups: u32,
    due: Option<(u64, Step)>,
    /// A step that was refused: the CPU halted.
    refused: Option<Step>,
    claims_won: u32,
}

pub(super) struct FakeMachine<'r> {
    records: &'r [StartRecord],
    cpus: RefCell<Vec<Cpu>>,
    now_ns: Cell<u64>,
    pub(super) sent: RefCell<Vec<(Command, ApicId)>>,
}

impl<'r> FakeMachine<'r> {
    pub(super) fn new(records: &'r [StartRecord], behaviours: &[Behaviour]) -> Self {
        assert_eq!(records.len(), behaviours.len());
        let cpu = |&behaviour| Cpu {
            behaviour,
            waits_for_startup: false,
            startups: 0,
            due: None,
            refused: None,
            claims_won: 0,
        };
        Self {
            records,
            cpus: RefCell::new(behaviours.iter().map(cpu).collect()),
            now_ns: Cell::new(1_000_000_000),
            sent: RefCell::default(),
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&self, ns: u64) {
        let end = self.now_ns.get() + ns;
        while self.now_ns.get() < end {
            self.now_ns();
        }
    }

    /// Tells whether a CPU was refused and halted.
    pub(super) fn halted(&self, index: usize) -> bool {
        self.cpus.borrow()[index].refused.is_some()
    }

    pub(super) fn claims_won(&self, index: usize) -> u32 {
        self.cpus.borrow()[index].claims_won
    }

    pub(super) fn count(&self, command: Command, id: u32) -> usize {
        self.sent.borrow().iter().filter(|sent| **sent == (command, ApicId::new(id))).count()
    }

    fn startup(&self, cpu: &mut Cpu) {
        if !cpu.waits_for_startup {
            return;
        }
        cpu.startups += 1;
        let after_ns = match cpu.behaviour {
            Behaviour::Answers { after_ns }
            | Behaviour::AnswersTwice { after_ns }
            | Behaviour::AnswersDeafToInit { after_ns } => after_ns,
            Behaviour::Stalls => 50_000,
            Behaviour::NeedsSecondStartup if cpu.startups == 2 => 50_000,
            Behaviour::NeedsSecondStartup | Behaviour::Dead | Behaviour::Unreachable(_) => return,
        };
        cpu.waits_for_startup = false;
        cpu.due = Some((self.now_ns.get() + after_ns, Step::Claim));
    }

    fn init(cpu: &mut Cpu) {
        if matches!(cpu.behaviour, Behaviour::AnswersDeafToInit { .. }) && cpu.startups > 0 {
            return;
        }
        cpu.waits_for_startup = true;
        cpu.due = None;
    }

    fn perform(cpu: &mut Cpu, record: &StartRecord, step: Step, now_ns: u64) {
        let twice = matches!(cpu.behaviour, Behaviour::AnswersTwice { .. });
        for _ in 0..if twice { 2 } else { 1 } {
            let won = match step {
                Step::Claim => record.claim(),
                Step::Online => record.mark_online(now_ns),
            };
            match (won, step) {
                (true, Step::Claim) => {
                    cpu.claims_won += 1;
                    let next = (now_ns + 50_000, Step::Online);
                    cpu.due = (cpu.behaviour != Behaviour::Stalls).then_some(next);
                }
                (true, Step::Online) => {}
                (false, _) => cpu.refused = Some(step),
            }
        }
    }
}

impl Clock for FakeMachine<'_> {
    fn now_ns(&self) -> u64 {
        let now_ns = self.now_ns.get() + TICK_NS;
        self.now_ns.set(now_ns);
        for (cpu, record) in self.cpus.borrow_mut().iter_mut().zip(self.records) {
            if let Some((_, step)) = cpu.due.take_if(|(at_ns, _)| *at_ns <= now_ns) {
                Self::perform(cpu, record, step, now_ns);
            }
        }
        now_ns
    }
}

impl IpiSender for FakeMachine<'_> {
    fn own_id(&self) -> ApicId {
        BOOT_ID
    }

    fn send(&self, command: Command, destination: Destination) -> Result<(), SendError> {
        let Destination::Physical(id) = destination else { panic!("{command:?} was broadcast") };
        self.sent.borrow_mut().push((command, id));
        let index = self.records.iter().position(|record| record.apic_id() == id).expect("a listed CPU");
        let cpu = &mut self.cpus.borrow_mut()[index];
        if let Behaviour::Unreachable(error) = cpu.behaviour {
            return Err(error);
        }
        match command {
            Command::Init => Self::init(cpu),
            Command::Startup(_) => self.startup(cpu),
            Command::Fixed(_) | Command::Nmi => panic!("{command:?} during a start"),
        }
        Ok(())
    }
}
