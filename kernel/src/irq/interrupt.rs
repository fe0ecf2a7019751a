//! Interrupt lines, and messages of PCI functions, as objects: a driver binds one to a notification, and acknowledges what it was told.
//!
//! Locks: the driver's, then that of a CPU's vectors; the other way only where it is not waited for. Nobody waits for another CPU
//! with either, since that CPU may be waiting for it in an interrupt.

use alloc::sync::{Arc, Weak};
use core::mem::offset_of;
use core::sync::atomic::AtomicUsize;

use gatehouse_abi::Error;
use gatehouse_core::interrupt_rate::{Rate, Storm};
use gatehouse_core::intrusive::ExitLink;
use percpu::CpuIndex;

use super::claim::{Claim, Identity};
use super::device::count_storm;
use super::io_apics::Connection;
use super::line_state::{LineState, Reaction, Refusal};
use super::source::Source;
use super::vector_assignment::{VectorAssignment, reachable, settle};
use crate::clock;
use crate::cpu::{Cpu, ThisCpu};
use crate::ipc::{self, Notification, Signalled};
use crate::object::{Close, Counted, register_object};
use crate::pci::{Device, Message};
use crate::program::Program;
use crate::sched::Next;
use crate::sync::{Mutex, rank, try_lock_briefly};
use crate::thread::Thread;

/// An interrupt line or message. It interrupts while it is bound, and is masked and free again when its last capability goes.
#[derive(Debug)]
pub struct Interrupt {
    /// Who is told; nobody while it is masked for good.
    driver: Mutex<Option<Driver>, rank::Driver>,
    source: Source,
    capabilities: AtomicUsize,
    exit_link: ExitLink<ThisCpu>,
    /// Dropped behind the source: nobody may have another object of it before.
    _claim: Claim,
}

#[derive(Debug)]
struct Driver {
    notification: Counted<Notification>,
    badge: u64,
    /// Where it comes, once it is open.
    place: VectorAssignment,
    line_state: LineState,
    rate: Rate,
    /// Who bound it.
    program: Weak<Program>,
    /// A storm was reported.
    reported: bool,
}

/// A storm that is to be told of, and who bound its interrupt.
pub(super) type Report = (Storm, Option<Arc<Program>>);

impl Interrupt {
    /// The line with this number (see [`Connection::find`]), masked.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the machine has no such line, [`Error::WrongState`] if somebody has it, [`Error::OutOfMemory`].
    pub fn new(line: u64) -> Result<Counted<Self>, Error> {
        let connection = Connection::find(line).ok_or(Error::NotFound)?;
        if super::serial::has(&connection) {
            return Err(Error::WrongState);
        }
        let claim = Claim::new(Identity::Line(connection.interrupt))?;
        Self::of_source(Source::Line(connection), claim)
    }

    /// The message of a PCI function with this number, masked.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the function has no such message, [`Error::WrongState`] if somebody has it, [`Error::OutOfMemory`].
    pub fn of_message(device: Arc<Device>, number: u64) -> Result<Counted<Self>, Error> {
        let claim = Claim::new(Identity::Message(device.address(), number))?;
        Self::of_source(Source::Message(Message::new(device, number)?), claim)
    }

    fn of_source(source: Source, claim: Claim) -> Result<Counted<Self>, Error> {
        let capabilities = AtomicUsize::new(1);
        let object = Self { driver: Mutex::new(None), source, capabilities, exit_link: ExitLink::new(), _claim: claim };
        Ok(Counted::first(object)?)
    }

    /// What it comes by.
    pub(super) const fn source(&self) -> &Source {
        &self.source
    }

    /// Lets it interrupt, on this CPU if that is reached, else on the first: each time the notification is signalled with the
    /// badge. Answers what was bound before, to be dropped with no lock held.
    ///
    /// # Errors
    /// [`Error::NoSuchCpu`] if it reaches no CPU, [`Error::NoVector`] if that CPU has no vector left.
    pub fn bind(
        self: &Arc<Self>,
        cpu: &ThisCpu,
        program: &Arc<Program>,
        notification: Counted<Notification>,
        badge: u64,
    ) -> Result<Option<Counted<Notification>>, Error> {
        let block = reachable(cpu.index()).or_else(|| reachable(CpuIndex::BOOT)).ok_or(Error::NoSuchCpu)?;
        let spare = VectorAssignment::take(cpu, block, self);
        let rate = Rate::new(clock::nanoseconds_since_start());
        let program = Arc::downgrade(program);
        let mut driver = self.driver.lock();
        let Some(bound) = driver.as_mut() else {
            let (place, line_state) = (spare?, LineState::new(self.source.is_level()));
            self.open(&place);
            *driver = Some(Driver { notification, badge, place, line_state, rate, program, reported: false });
            return Ok(None);
        };
        let left = self.lead(bound, block, spare)?;
        if bound.line_state.begin_anew() {
            self.open(&bound.place);
        }
        let before = core::mem::replace(&mut bound.notification, notification);
        (bound.badge, bound.rate, bound.program, bound.reported) = (badge, rate, program, false);
        drop(driver);
        if let Some(left) = left {
            settle(cpu, left);
        }
        Ok(Some(before))
    }

    /// Masks it until it is bound again; what is under way is nobody's. Answers what was bound, to be dropped with no lock held.
    pub fn unbind(&self, cpu: &ThisCpu) -> Option<Counted<Notification>> {
        let Driver { notification, place, .. } = {
            let mut driver = self.driver.lock();
            self.source.mask();
            driver.take()?
        };
        let block = place.block();
        place.leave(None);
        settle(cpu, block);
        Some(notification)
    }

    /// The driver has done with the interrupt that it was told of.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it was told of none; [`Error::Storm`] once when interrupts came too fast: the line stays masked
    /// until the driver acknowledges again.
    pub fn acknowledge(&self, cpu: &ThisCpu) -> Result<Next, Error> {
        let signalled = {
            let mut driver = self.driver.lock();
            let driver = driver.as_mut().ok_or(Error::WrongState)?;
            let reaction = driver.line_state.acknowledged().map_err(|refusal| match refusal {
                Refusal::NotTold => Error::WrongState,
                Refusal::Storm => Error::Storm,
            })?;
            self.react(driver, reaction)
        };
        Ok(signalled.wake(cpu))
    }

    /// From now on it interrupts another CPU; what is under way to the old one still comes there. An edge that comes while the way
    /// is changed might be lost, if it comes once and is not kept: so the driver is told once, whether any has come or not.
    ///
    /// # Errors
    /// [`Error::WrongState`] if nothing is bound, [`Error::NoSuchCpu`] if it does not reach the CPU, [`Error::NoVector`] if that has
    /// no vector left.
    pub fn move_to(self: &Arc<Self>, cpu: &ThisCpu, target: CpuIndex) -> Result<Next, Error> {
        let block = reachable(target).ok_or(Error::NoSuchCpu)?;
        let spare = VectorAssignment::take(cpu, block, self);
        let (left, signalled) = {
            let mut driver = self.driver.lock();
            let Some(driver) = driver.as_mut() else {
                give_back(spare);
                return Err(Error::WrongState);
            };
            let Some(left) = self.lead(driver, block, spare)? else { return Ok(Next::Stay) };
            let is_open_edge = !self.source.is_level() && !driver.line_state.is_masked();
            let signalled = if is_open_edge {
                let reaction = driver.line_state.arrived();
                self.react(driver, reaction)
            } else {
                Signalled::NOBODY
            };
            (left, signalled)
        };
        let next = signalled.wake(cpu);
        settle(cpu, left);
        Ok(next)
    }

    /// Has a bound interrupt come to a CPU, by the vector that was taken there; opens it there unless it is masked. Answers the CPU that
    /// was left, where vectors are to be settled; `None` if it comes there already.
    fn lead(
        self: &Arc<Self>,
        driver: &mut Driver,
        block: Cpu,
        spare: Result<VectorAssignment, Error>,
    ) -> Result<Option<Cpu>, Error> {
        if driver.place.is_on(block) {
            give_back(spare);
            return Ok(None);
        }
        let before = core::mem::replace(&mut driver.place, spare?);
        if !driver.line_state.is_masked() {
            self.source.mask();
            if self.source.is_under_way() {
                // Its end names the old vector, so that has to stay. It is told, and opened at the new place when that is acknowledged.
                driver.line_state.defer_unmask();
            } else {
                self.open(&driver.place);
            }
        }
        let left = before.block();
        before.leave(Some(Arc::downgrade(self)));
        Ok(Some(left))
    }

    /// [`Self::acknowledge`] if nothing is to be done but to note it: nothing was missed, and the line is open. Waits for nobody.
    #[inline(always)]
    pub fn try_acknowledge(&self) -> Option<()> {
        let mut driver = try_lock_briefly(&self.driver)?;
        let driver = driver.as_mut()?;
        let mut line_state = driver.line_state;
        let nothing = Reaction { signal: false, mask: None };
        line_state.acknowledged().ok().filter(|reaction| *reaction == nothing)?;
        driver.line_state = line_state;
        Some(())
    }

    /// Takes the driver's thread out of its wait, if it can run at once and nothing is to be done but to tell it; and its badge.
    #[inline(always)]
    pub(super) fn take_driver(&self, cpu: &ThisCpu) -> Option<(Arc<Thread>, u64)> {
        let mut driver = try_lock_briefly(&self.driver)?;
        let driver = driver.as_mut()?;
        let (mut line_state, mut rate) = (driver.line_state, driver.rate);
        // Whether there is a storm is for the slow path, which counts this interrupt itself.
        if !rate.count_within() || line_state.arrived() != (Reaction { signal: true, mask: None }) {
            return None;
        }
        let waiter = ipc::fast_path::take_waiter(cpu, driver.notification.object())?;
        (driver.line_state, driver.rate) = (line_state, rate);
        Some((waiter, driver.badge))
    }

    /// It has interrupted this CPU: tells the driver, and ends the interrupt. Answers a storm that is to be reported, too.
    pub(super) fn arrived(&self, cpu: &ThisCpu) -> (Next, Option<Report>) {
        let mut report = None;
        let mut driver = self.driver.lock();
        // One that was under way when it was unbound is nobody's.
        let signalled = driver.as_mut().map_or(Signalled::NOBODY, |driver| {
            let reaction = match driver.rate.count(clock::nanoseconds_since_start) {
                None => driver.line_state.arrived(),
                Some(storm) => {
                    count_storm();
                    let is_first = !core::mem::replace(&mut driver.reported, true);
                    report = is_first.then(|| (storm, driver.program.upgrade()));
                    driver.line_state.stormed()
                }
            };
            self.react(driver, reaction)
        });
        // A level only after it was masked; and before anybody else can open it for another vector, since the end names this one.
        cpu.apic().end_of_interrupt();
        drop(driver);
        (signalled.wake(cpu), report)
    }

    /// Does what the line's state asks for. Whoever is told of it is to be woken once the driver is not locked any more.
    fn react(&self, driver: &Driver, reaction: Reaction) -> Signalled {
        match reaction.mask {
            Some(true) => self.source.mask(),
            Some(false) => self.open(&driver.place),
            None => {}
        }
        if reaction.signal { driver.notification.object().set(driver.badge) } else { Signalled::NOBODY }
    }

    fn open(&self, place: &VectorAssignment) {
        let opened = self.source.open(place.vector(), place.destination());
        assert!(opened, "places are on CPUs that are reached");
    }
}

fn give_back(spare: Result<VectorAssignment, Error>) {
    if let Ok(place) = spare {
        place.take_back();
    }
}

register_object!(Counted<Interrupt>, "interrupt");

// SAFETY: the link is there, and nothing else uses it.
unsafe impl Close for Interrupt {
    const EXIT_LINK: usize = offset_of!(Self, exit_link);

    fn capabilities(&self) -> &AtomicUsize {
        &self.capabilities
    }

    fn close(&self, cpu: &ThisCpu) {
        drop(self.unbind(cpu));
    }
}
