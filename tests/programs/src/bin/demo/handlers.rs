//! The handlers of the demonstration's own: a pager on each CPU, and a debugger, for programs whose faults are messages.
//!
//! The badge of each fault is the slot of the program that it came from, so no handler keeps a table.

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{
    Error, MessageTag, REPLY_KILL, REPLY_RESUME, SLOT_NONE, SLOT_OWN_PROGRAM, ThreadInformation, ThreadState,
    TrapNumber, rights,
};
use gatehouse_runtime::array::{MappedArray, leaked};
use gatehouse_runtime::capability::{Endpoint, Slot};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time;
use programs::raw::debugger::{Debugger, INT3, Reason, Register, Stop, list_threads, patch_memory};
use programs::raw::message::{
    Suspended, Utcb, copy_capability, create_endpoint, delete_capability, first_utcb, map_into, read_memory,
    reply_receive, resume_thread, set_fault_handler, spawn_suspended,
};
use programs::{
    BreakpointJudge, DEBUGGEE_INCREMENT, DEBUGGEE_INCREMENT_BYTE, DEBUGGEE_STORE, DEBUGGEE_VARIABLE, PAGED_REGION,
};

use crate::plan::{CLIENT_PAGES, Plan};

/// How long the handlers may take until all of them wait.
const PATIENCE: u64 = 10 * time::SECOND;

/// A CPU's place: what the pager there is called by, and what was handled.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where the faults of its clients arrive; 0 where there is no pager.
    endpoint: u64,
    /// Page faults that the pager of this CPU has resolved.
    paged: AtomicU64,
    /// Stops of programs on this CPU that the debugger has answered.
    debugged: AtomicU64,
}

impl Place {
    pub(crate) fn paged(&self) -> u64 {
        self.paged.load(Ordering::Relaxed)
    }

    pub(crate) fn debugged(&self) -> u64 {
        self.debugged.load(Ordering::Relaxed)
    }
}

/// What the debugger's thread is given.
#[derive(Debug)]
struct Desk {
    endpoint: u64,
    /// Turns of the debuggee's loop in which it stops.
    turns: u64,
    places: &'static [Place],
}

/// All handlers. They run until this program ends.
#[derive(Debug)]
pub(crate) struct Handlers {
    places: &'static [Place],
    pagers: u64,
    debugger: u64,
    judge: BreakpointJudge,
}

/// A program whose faults are handled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handled {
    pub(crate) number: u64,
    /// The slots of its capability and of the one by which its faults are sent, to be deleted once it has ended.
    pub(crate) slots: [u64; 2],
}

impl Handlers {
    /// Starts a pager on each CPU that has one by the plan; debugger and judge on `here`. When this returns all of them wait.
    ///
    /// # Errors
    /// There is no memory for them; WouldBlock if they do not come to wait.
    pub(crate) fn start(plan: &Plan, here: u64) -> Result<Self, Error> {
        let cpus = usize::try_from(plan.cpus).map_err(|_| Error::OutOfMemory)?;
        let pagers = plan.pagers();
        let mut refused = None;
        let places = leaked(cpus, |cpu| {
            let endpoint = if (cpu as u64) < pagers { create_endpoint() } else { Ok(SLOT_NONE) };
            let endpoint = endpoint.unwrap_or_else(|error| {
                refused = Some(error);
                SLOT_NONE
            });
            Place { endpoint, paged: AtomicU64::new(0), debugged: AtomicU64::new(0) }
        })?;
        if let Some(error) = refused {
            return Err(error);
        }
        for (cpu, place) in places.iter().enumerate().take(pagers as usize) {
            let _runs_for_ever = Thread::spawn(page, core::ptr::from_ref(place) as u64, cpu as u64)?;
        }
        let debugger = create_endpoint()?;
        let desk = leaked(1, |_| Desk { endpoint: debugger, turns: plan.debugged_turns(), places })?;
        let _runs_for_ever = Thread::spawn_with_utcb(debug, desk.as_ptr() as u64, here)?;
        let judge = BreakpointJudge::new(here)?;
        let handlers = Self { places, pagers, debugger, judge };
        handlers.make_room(plan)?;
        handlers.all_wait()?;
        Ok(handlers)
    }

    /// Makes the table of capabilities grow now, so that it does not while memory in use is compared.
    fn make_room(&self, plan: &Plan) -> Result<(), Error> {
        let slots = usize::try_from(2 * plan.cpus * plan.at_once + 8).map_err(|_| Error::OutOfMemory)?;
        let mut held = MappedArray::filled(slots, SLOT_NONE)?;
        for slot in held.iter_mut() {
            *slot = copy_capability(self.debugger, rights::SEND, 0, SLOT_NONE)?;
        }
        for slot in held.iter() {
            delete_capability(*slot)?;
        }
        Ok(())
    }

    /// Waits until every thread but the calling one waits at an endpoint: what they called until then is counted.
    fn all_wait(&self) -> Result<(), Error> {
        let threads = self.pagers as usize + 8;
        let room = core::cell::RefCell::new(MappedArray::filled(threads, ThreadInformation::default())?);
        let done = time::wait_until(PATIENCE, || {
            let mut room = room.borrow_mut();
            let Ok(count) = list_threads(SLOT_OWN_PROGRAM, &mut room) else { return false };
            let wait = |thread: &&ThreadInformation| thread.state == ThreadState::AtEndpoint as u64;
            room.iter().take(count as usize).filter(wait).count() as u64 + 1 == count
        });
        if done { Ok(()) } else { Err(Error::WouldBlock) }
    }

    /// The places of all CPUs.
    pub(crate) const fn places(&self) -> &'static [Place] {
        self.places
    }

    /// What has been handled so far on all CPUs: page faults and stops.
    pub(crate) fn handled(&self) -> (u64, u64) {
        self.places.iter().fold((0, 0), |(paged, debugged), place| (paged + place.paged(), debugged + place.debugged()))
    }

    /// Starts a `fault` that stops at a breakpoint, and is shut down for it.
    ///
    /// # Errors
    /// What SpawnProgram answers.
    pub(crate) fn spawn_judged(&self, argument: u64, cpu: u64) -> Result<u64, Error> {
        self.judge.spawn("fault", argument, cpu, &utcb())
    }

    /// Starts a `pager_client` whose page faults its CPU's pager resolves.
    ///
    /// # Errors
    /// What SpawnProgram answers.
    pub(crate) fn spawn_paged(&self, argument: u64, cpu: u64) -> Result<Handled, Error> {
        let endpoint = self.places[(cpu % self.pagers) as usize].endpoint;
        spawn("pager_client", argument, cpu, endpoint, |_| Ok(()))
    }

    /// Starts a `debuggee` with a breakpoint in its loop.
    ///
    /// # Errors
    /// What SpawnProgram answers.
    pub(crate) fn spawn_debugged(&self, cpu: u64) -> Result<Handled, Error> {
        spawn("debuggee", 1, cpu, self.debugger, |program| patch_memory(program, DEBUGGEE_INCREMENT, &[INT3]))
    }
}

fn utcb() -> Utcb {
    // SAFETY: only the first thread starts programs.
    unsafe { first_utcb() }
}

/// Starts a program whose faults go to the endpoint, with its own slot as the badge.
fn spawn(
    name: &str,
    argument: u64,
    cpu: u64,
    endpoint: u64,
    prepare: impl FnOnce(u64) -> Result<(), Error>,
) -> Result<Handled, Error> {
    let Suspended { number, program, thread } = spawn_suspended(name, argument, cpu, &utcb())?;
    let marked = copy_capability(endpoint, rights::SEND, program, SLOT_NONE)?;
    set_fault_handler(thread, marked)?;
    prepare(program)?;
    resume_thread(thread)?;
    delete_capability(thread)?;
    Ok(Handled { number, slots: [program, marked] })
}

/// A pager: maps a fresh page wherever a client touches its region, and ends it for anything else.
fn page(place: u64) -> u64 {
    // SAFETY: `start` passes the address of a place, which stays for ever.
    let place = unsafe { &*(place as *const Place) };
    let mut label = REPLY_RESUME;
    while let Ok(message) = reply_receive(place.endpoint, MessageTag::new(label, 0), [0; 4]) {
        let [cause, address, ..] = message.words;
        let is_access =
            matches!(TrapNumber::from_bits(cause), TrapNumber::LOAD_PAGE_FAULT | TrapNumber::STORE_PAGE_FAULT);
        let in_region = (PAGED_REGION..PAGED_REGION + CLIENT_PAGES * PAGE_SIZE).contains(&address);
        let page = address & !(PAGE_SIZE - 1);
        label = if is_access && in_region && map_into(message.badge, page, PAGE_SIZE).is_ok() {
            place.paged.fetch_add(1, Ordering::Relaxed);
            REPLY_RESUME
        } else {
            REPLY_KILL
        };
    }
    1
}

/// The debugger: answers every stop of every debuggee.
fn debug(desk: u64, utcb: Utcb) -> u64 {
    // SAFETY: `start` passes the address of a desk, which stays for ever.
    let desk = unsafe { &*(desk as *const Desk) };
    let debugger = Debugger::at(Endpoint::from_slot(Slot::new(desk.endpoint)), utcb);
    while let Ok(stop) = debugger.wait() {
        let cpu = stop.fault().cpu as usize;
        if answer(desk, stop).is_ok()
            && let Some(place) = desk.places.get(cpu)
        {
            place.debugged.fetch_add(1, Ordering::Relaxed);
        }
    }
    1
}

/// Behind the `int3`: looks at registers and memory, puts the instruction back and lets it be executed. Behind that: puts the
/// `int3` there again, as long as it is to stop there. What is not as it should be ends the program, which the
/// demonstration then tells.
fn answer(desk: &Desk, stop: Stop) -> Result<(), Error> {
    let program = stop.badge();
    let mut registers = stop.registers()?;
    let turn = registers.general[Register::Rax as usize];
    let mut variable = [0; 8];
    read_memory(program, DEBUGGEE_VARIABLE, &mut variable)?;
    let written = u64::from_le_bytes(variable);
    match stop.reason() {
        Reason::Breakpoint if registers.instruction_pointer == DEBUGGEE_INCREMENT + 1 && written == turn => {
            patch_memory(program, DEBUGGEE_INCREMENT, &[DEBUGGEE_INCREMENT_BYTE])?;
            registers.instruction_pointer = DEBUGGEE_INCREMENT;
            stop.step_with(registers)
        }
        Reason::Debug { stepped: true, met: 0 }
            if registers.instruction_pointer == DEBUGGEE_STORE && written + 1 == turn =>
        {
            if turn < desk.turns {
                patch_memory(program, DEBUGGEE_INCREMENT, &[INT3])?;
            }
            stop.resume_with(registers)
        }
        _ => {
            stop.kill()?;
            Err(Error::WrongState)
        }
    }
}
