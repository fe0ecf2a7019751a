//! Interrupt lines, and messages of PCI functions, as objects: a driver binds one to a notification, and acknowledges what it was told.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use gatehouse_abi::Error;
use percpu::{ApicId, CpuIndex};

use super::gate::{Gate, Reaction, Refusal};
use super::io_apics::Connection;
use super::source::Source;
use super::storm::{BATCH, Rate, Storm};
use crate::arch::Frame;
use crate::arch::x86_64::vectors;
use crate::console;
use crate::cpu::{self, ThisCpu};
use crate::ipc::{self, Notification};
use crate::object::Counted;
use crate::pci::{Device, Message};
use crate::program::Program;
use crate::sched::Next;
use crate::sync::{Mutex, try_lock_briefly};
use crate::thread::Thread;
use crate::time;

/// Vectors that lines may have: device vectors, but for the kernel's own at the end.
const VECTORS: core::ops::Range<u8> = vectors::FIRST_DEVICE..vectors::SERIAL;
/// I/O APICs and messages reach the CPUs whose ids are below this.
const REACHABLE: u32 = 255;

/// The lines and messages that have vectors. A vector is one interrupt's on every CPU: so it can move while it is under way.
static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

/// What there may be one object of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// A line, by its global system interrupt.
    Line(u32),
    /// A message, by the function's address and its number.
    Message(u64, u64),
}

#[derive(Debug)]
struct Line {
    vector: u8,
    identity: Identity,
    object: Weak<Interrupt>,
}

/// An interrupt line. It interrupts while it is bound, and is masked and free again when its last capability goes.
#[derive(Debug)]
pub struct Interrupt {
    source: Source,
    vector: u8,
    /// Who is told; nobody while the line is masked for good.
    driver: Mutex<Option<Driver>>,
}

#[derive(Debug)]
struct Driver {
    notification: Counted<Notification>,
    badge: u64,
    destination: ApicId,
    gate: Gate,
    rate: Rate,
    /// Who bound it.
    program: Weak<Program>,
    /// A storm was reported.
    reported: bool,
}

impl Interrupt {
    /// The line with this number (see [`Connection::find`]), masked.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the machine has no such line, [`Error::WrongState`] if somebody has it, [`Error::OutOfMemory`]
    /// if no vector is free.
    pub fn new(line: u64) -> Result<Arc<Self>, Error> {
        let connection = Connection::find(line).ok_or(Error::NotFound)?;
        if super::serial::has(&connection) {
            return Err(Error::WrongState);
        }
        Self::of_source(Identity::Line(connection.interrupt), || Ok(Source::Line(connection)))
    }

    /// The message of a PCI function with this number, masked.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the function has no such message, [`Error::WrongState`] if somebody has it, [`Error::OutOfMemory`]
    /// if no vector is free.
    pub fn of_message(device: Arc<Device>, number: u64) -> Result<Arc<Self>, Error> {
        let identity = Identity::Message(device.address(), number);
        Self::of_source(identity, || Message::new(device, number).map(Source::Message))
    }

    fn of_source(identity: Identity, make: impl FnOnce() -> Result<Source, Error>) -> Result<Arc<Self>, Error> {
        let mut lines = LINES.lock();
        if lines.iter().any(|other| other.identity == identity) {
            return Err(Error::WrongState);
        }
        let is_free = |vector: &u8| lines.iter().all(|line| line.vector != *vector);
        let vector = VECTORS.clone().find(is_free).ok_or(Error::OutOfMemory)?;
        lines.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
        let object = Arc::new(Self { source: make()?, vector, driver: Mutex::new(None) });
        lines.push(Line { vector, identity, object: Arc::downgrade(&object) });
        Ok(object)
    }

    /// Lets the line interrupt, on this CPU if the line reaches it, else on the first: each time the notification is
    /// signalled with the badge. Answers what was bound before, to be dropped with no lock held.
    ///
    /// # Errors
    /// [`Error::NoSuchCpu`] if the line reaches no CPU.
    pub fn bind(
        &self,
        cpu: &ThisCpu,
        program: &Arc<Program>,
        notification: Counted<Notification>,
        badge: u64,
    ) -> Result<Option<Counted<Notification>>, Error> {
        let here = apic_id(cpu.index()).filter(|id| id.get() < REACHABLE);
        let destination = here.or_else(|| apic_id(CpuIndex::BOOT)).ok_or(Error::NoSuchCpu)?;
        let mut driver = self.driver.lock();
        if !self.source.open(self.vector, destination) {
            return Err(Error::NoSuchCpu);
        }
        let gate = Gate::new(self.source.is_level());
        let rate = Rate::new(time::nanoseconds_since_start());
        let program = Arc::downgrade(program);
        let new = Driver { notification, badge, destination, gate, rate, program, reported: false };
        let before = driver.replace(new);
        Ok(before.map(|driver| driver.notification))
    }

    /// Masks the line until it is bound again. Answers what was bound, to be dropped with no lock held.
    #[must_use]
    pub fn unbind(&self) -> Option<Counted<Notification>> {
        let mut driver = self.driver.lock();
        self.source.mask();
        driver.take().map(|driver| driver.notification)
    }

    /// The driver has done with the interrupt that it was told of.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it was told of none; [`Error::Storm`] once when interrupts came too fast: the line stays masked
    /// until the driver acknowledges again.
    pub fn acknowledge(&self, cpu: &ThisCpu) -> Result<Next, Error> {
        let mut driver = self.driver.lock();
        let driver = driver.as_mut().ok_or(Error::WrongState)?;
        let reaction = driver.gate.acknowledged().map_err(|refusal| match refusal {
            Refusal::NotTold => Error::WrongState,
            Refusal::Storm => Error::Storm,
        })?;
        Ok(self.react(cpu, driver, reaction))
    }

    /// From now on it interrupts another CPU; what is under way to the old one still comes there. What comes while the way is
    /// changed might be lost, if it comes once and is not kept: so the driver is told once, whether any has come or not.
    ///
    /// # Errors
    /// [`Error::WrongState`] if nothing is bound, [`Error::NoSuchCpu`] if it does not reach the CPU.
    pub fn move_to(&self, cpu: &ThisCpu, target: CpuIndex) -> Result<Next, Error> {
        let destination = apic_id(target).filter(|id| id.get() < REACHABLE).ok_or(Error::NoSuchCpu)?;
        let mut driver = self.driver.lock();
        let driver = driver.as_mut().ok_or(Error::WrongState)?;
        driver.destination = destination;
        if driver.gate.is_masked() {
            // It is opened for the new CPU when the driver acknowledges.
            return Ok(Next::Stay);
        }
        let opened = self.source.open(self.vector, destination);
        debug_assert!(opened, "the CPU is reached");
        if self.source.is_level() {
            return Ok(Next::Stay);
        }
        let reaction = driver.gate.arrived();
        Ok(self.react(cpu, driver, reaction))
    }

    /// [`Self::acknowledge`] if nothing is to be done but to note it: nothing was missed, and the line is open. Waits for nobody.
    #[inline(always)]
    pub fn try_acknowledge(&self) -> Option<()> {
        let mut driver = try_lock_briefly(&self.driver)?;
        let driver = driver.as_mut()?;
        let mut gate = driver.gate;
        let nothing = Reaction { signal: false, mask: None };
        gate.acknowledged().ok().filter(|reaction| *reaction == nothing)?;
        driver.gate = gate;
        Some(())
    }

    /// Takes the driver's thread out of its wait, if it can run at once and nothing is to be done but to tell it; and its badge.
    #[inline(always)]
    fn take_driver(&self, cpu: &ThisCpu) -> Option<(Arc<Thread>, u64)> {
        let mut driver = try_lock_briefly(&self.driver)?;
        let driver = driver.as_mut()?;
        let (mut gate, mut rate) = (driver.gate, driver.rate);
        // Whether there is a storm is for the long way, which counts this interrupt itself.
        if !rate.count_within() || gate.arrived() != (Reaction { signal: true, mask: None }) {
            return None;
        }
        let waiter = ipc::take_waiter(cpu, driver.notification.object())?;
        (driver.gate, driver.rate) = (gate, rate);
        Some((waiter, driver.badge))
    }

    fn react(&self, cpu: &ThisCpu, driver: &Driver, reaction: Reaction) -> Next {
        match reaction.mask {
            Some(true) => self.source.mask(),
            Some(false) => {
                let opened = self.source.open(self.vector, driver.destination);
                debug_assert!(opened, "it was open before");
            }
            None => {}
        }
        if reaction.signal { driver.notification.object().signal(cpu, driver.badge) } else { Next::Stay }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.source.mask();
        LINES.lock().retain(|line| line.vector != self.vector);
    }
}

/// An interrupt of a line has come; `None` if the vector is no line's. Ends the interrupt: a level only after the line was
/// masked.
pub(super) fn arrived(cpu: &ThisCpu, vector: u64) -> Option<Next> {
    let found = {
        let lines = LINES.lock();
        lines.iter().find(|line| u64::from(line.vector) == vector).and_then(|line| line.object.upgrade())
    };
    let interrupt = found?;
    let mut report = None;
    let next = {
        let mut driver = interrupt.driver.lock();
        // One that was under way when the line was unbound is nobody's.
        driver.as_mut().map_or(Next::Stay, |driver| {
            let reaction = match driver.rate.count(time::nanoseconds_since_start) {
                None => driver.gate.arrived(),
                Some(storm) => {
                    storm.count();
                    let is_first = !core::mem::replace(&mut driver.reported, true);
                    report = is_first.then(|| (storm, driver.program.upgrade()));
                    driver.gate.stormed()
                }
            };
            interrupt.react(cpu, driver, reaction)
        })
    };
    cpu.kernel().apic().end_of_interrupt();
    if let Some((storm, program)) = report {
        report_storm(cpu, &interrupt, storm, program.as_deref());
    }
    Some(next)
}

/// [`arrived`] by the short way: an edge that the driver is waiting for, who is more urgent than the thread that runs, and belongs
/// to this CPU. Answers the frame to return through. Looks first, and changes nothing until all of that is certain.
///
/// # Safety
/// A thread runs on this CPU, and the interrupt came while it was in ring 3.
#[inline(always)]
pub(super) unsafe fn arrived_here(cpu: &ThisCpu, vector: u64) -> Option<*const Frame> {
    let interrupt = {
        let lines = try_lock_briefly(&LINES)?;
        lines.iter().find(|line| u64::from(line.vector) == vector)?.object.upgrade()?
    };
    // All locks are released before the switch, and the object, too: should it be the last reference, the line is masked and whoever
    // waits for its notification becomes ready, but nobody ends.
    let (waiter, badge) = interrupt.take_driver(cpu)?;
    drop(interrupt);
    cpu.kernel().apic().end_of_interrupt();
    // SAFETY: by the contract; the waiter was taken on this CPU.
    Some(unsafe { ipc::run_waiter(cpu, waiter, badge) })
}

#[cold]
fn report_storm(cpu: &ThisCpu, interrupt: &Interrupt, storm: Storm, program: Option<&Program>) {
    console::line(format_args!(
        "CPU {}: interrupt storm: {}, bound by {}, came {BATCH} times in {} us; it is masked until it is acknowledged twice",
        cpu.index(),
        interrupt.source,
        program.map_or("a program that has ended", Program::name),
        storm.nanoseconds / 1000
    ));
}

fn apic_id(index: CpuIndex) -> Option<ApicId> {
    cpu::by_index(index).map(|block| block.apic_id())
}
