//! Interrupt lines as objects: a driver binds one to a notification, and acknowledges what it was told.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use gatehouse_abi::Error;
use percpu::{ApicId, CpuIndex};

use super::gate::{Gate, Reaction};
use super::io_apics::Connection;
use crate::arch::Frame;
use crate::arch::x86_64::vectors;
use crate::cpu::{self, ThisCpu};
use crate::ipc::{self, Notification};
use crate::object::Counted;
use crate::sched::Next;
use crate::sync::{Mutex, try_lock_briefly};
use crate::thread::Thread;

/// Vectors that lines may have: device vectors, but the last one, which is not a line's.
const VECTORS: core::ops::Range<u8> = vectors::FIRST_DEVICE..vectors::DEVICE_END - 1;
/// An I/O APIC reaches the CPUs whose ids are below this.
const REACHABLE: u32 = 255;

/// The lines that have vectors.
static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Line {
    vector: u8,
    interrupt: u32,
    object: Weak<Interrupt>,
}

/// An interrupt line. It interrupts while it is bound, and is masked and free again when its last capability goes.
#[derive(Debug)]
pub struct Interrupt {
    connection: Connection,
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
}

impl Interrupt {
    /// The line with this number (see [`Connection::find`]), masked.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the machine has no such line, [`Error::WrongState`] if somebody has it, [`Error::OutOfMemory`]
    /// if no vector is free.
    pub fn new(line: u64) -> Result<Arc<Self>, Error> {
        let connection = Connection::find(line).ok_or(Error::NotFound)?;
        let mut lines = LINES.lock();
        if lines.iter().any(|other| other.interrupt == connection.interrupt) {
            return Err(Error::WrongState);
        }
        let is_free = |vector: &u8| lines.iter().all(|line| line.vector != *vector);
        let vector = VECTORS.clone().find(is_free).ok_or(Error::OutOfMemory)?;
        lines.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
        let object = Arc::new(Self { connection, vector, driver: Mutex::new(None) });
        lines.push(Line { vector, interrupt: connection.interrupt, object: Arc::downgrade(&object) });
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
        notification: Counted<Notification>,
        badge: u64,
    ) -> Result<Option<Counted<Notification>>, Error> {
        let here = apic_id(cpu.index()).filter(|id| id.get() < REACHABLE);
        let destination = here.or_else(|| apic_id(CpuIndex::BOOT)).ok_or(Error::NoSuchCpu)?;
        let mut driver = self.driver.lock();
        if !self.connection.open(self.vector, destination) {
            return Err(Error::NoSuchCpu);
        }
        let gate = Gate::new(self.connection.is_level());
        let before = driver.replace(Driver { notification, badge, destination, gate });
        Ok(before.map(|driver| driver.notification))
    }

    /// Masks the line until it is bound again. Answers what was bound, to be dropped with no lock held.
    #[must_use]
    pub fn unbind(&self) -> Option<Counted<Notification>> {
        let mut driver = self.driver.lock();
        self.connection.mask();
        driver.take().map(|driver| driver.notification)
    }

    /// The driver has done with the interrupt that it was told of.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it was told of none.
    pub fn acknowledge(&self, cpu: &ThisCpu) -> Result<Next, Error> {
        let mut driver = self.driver.lock();
        let driver = driver.as_mut().ok_or(Error::WrongState)?;
        let reaction = driver.gate.acknowledged().ok_or(Error::WrongState)?;
        Ok(self.react(cpu, driver, reaction))
    }

    /// [`Self::acknowledge`] if nothing is to be done but to note it: nothing was missed, and the line is open. Waits for nobody.
    #[inline(always)]
    pub fn try_acknowledge(&self) -> Option<()> {
        let mut driver = try_lock_briefly(&self.driver)?;
        let driver = driver.as_mut()?;
        let mut gate = driver.gate;
        let nothing = Reaction { signal: false, mask: None };
        gate.acknowledged().filter(|reaction| *reaction == nothing)?;
        driver.gate = gate;
        Some(())
    }

    /// Takes the driver's thread out of its wait, if it can run at once and nothing is to be done but to tell it; and its badge.
    #[inline(always)]
    fn take_driver(&self, cpu: &ThisCpu) -> Option<(Arc<Thread>, u64)> {
        let mut driver = try_lock_briefly(&self.driver)?;
        let driver = driver.as_mut()?;
        let mut gate = driver.gate;
        if gate.arrived() != (Reaction { signal: true, mask: None }) {
            return None;
        }
        let waiter = ipc::take_waiter(cpu, driver.notification.object())?;
        driver.gate = gate;
        Some((waiter, driver.badge))
    }

    fn react(&self, cpu: &ThisCpu, driver: &Driver, reaction: Reaction) -> Next {
        match reaction.mask {
            Some(true) => self.connection.mask(),
            Some(false) => {
                let opened = self.connection.open(self.vector, driver.destination);
                debug_assert!(opened, "it was open before");
            }
            None => {}
        }
        if reaction.signal { driver.notification.object().signal(cpu, driver.badge) } else { Next::Stay }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.connection.mask();
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
    let next = {
        let mut driver = interrupt.driver.lock();
        // One that was under way when the line was unbound is nobody's.
        driver.as_mut().map_or(Next::Stay, |driver| {
            let reaction = driver.gate.arrived();
            interrupt.react(cpu, driver, reaction)
        })
    };
    cpu.kernel().apic().end_of_interrupt();
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

fn apic_id(index: CpuIndex) -> Option<ApicId> {
    cpu::by_index(index).map(|block| block.apic_id())
}
