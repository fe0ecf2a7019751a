//! Pages come back: for a thread that faults on one, and for a copy that meets one.

use core::cell::RefCell;

use alloc::sync::Arc;

use gatehouse_abi::{Error, PageLoss};
use gatehouse_core::memory::Rights;
use gatehouse_core::memory::layout::PAGE_SIZE;
use percpu::{CpuLocal, per_cpu};
use x86_64::VirtAddr;

use super::reclaim::{is_hopeful, user_frame};
use super::store::{Fetched, ZERO, fetch, store, zero_page_came};
use super::waiting::{Waits, read_page, wait_for_disk, wait_for_read, wait_for_slot};
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::{self, ThisCpu};
use crate::memory::address_space::PageState;
use crate::program::{self, Program};
use crate::sched::{self, Next};

/// What came of bringing a page back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// It is there, with these rights.
    Here(Rights),
    /// Nothing is mapped there.
    Nothing,
    /// It is on its way: the same attempt succeeds in a moment.
    Soon,
    /// It comes from the disk, and the thread may not wait for it now.
    Later,
    /// It comes from the disk, and the running thread waits for it.
    Waits,
    /// It will not come.
    Lost(PageLoss),
}

per_cpu! {
    /// What stopped the last copy from or to a program on this CPU, if it was a page that is swapped out.
    static TROUBLE: CpuLocal<RefCell<Option<SwapError>>> = RefCell::new(None);
}

/// What stopped a copy, for whoever decides what becomes of the thread.
#[derive(Debug)]
struct SwapError {
    program: Arc<Program>,
    page: VirtAddr,
    arrival: Arrival,
}

/// Brings a page back. If that takes long and the running thread may wait, it waits: it is off the CPU then.
fn swap_in(cpu: &ThisCpu, program: &Arc<Program>, address: u64, may_wait: bool) -> Arrival {
    let page = VirtAddr::new(address & !(PAGE_SIZE - 1));
    let state = || program.space().as_ref().map_or(PageState::Unmapped, |space| space.page(page));
    // A look before a frame is asked for: most faults are about other things.
    match state() {
        PageState::SwappedOut { .. } => {}
        PageState::Mapped { rights, .. } | PageState::Registers { rights } => return Arrival::Here(rights),
        PageState::Unmapped => return Arrival::Nothing,
    }
    let Some(store) = store() else { unreachable!("no page is swapped out where nothing is swapped") };
    let Ok(mut frame) = user_frame(cpu) else {
        return match wait_if(may_wait, || wait_for_disk(cpu, store)) {
            Arrival::Soon if !is_hopeful() => Arrival::Lost(PageLoss::NoMemory),
            arrival => arrival,
        };
    };
    let mut locked = program.space();
    let Some(space) = locked.as_mut() else { return Arrival::Nothing };
    let (token, rights) = match space.page(page) {
        PageState::SwappedOut { token, rights } => (token, rights),
        PageState::Mapped { rights, .. } | PageState::Registers { rights } => return Arrival::Here(rights),
        PageState::Unmapped => return Arrival::Nothing,
    };
    if token == ZERO {
        frame.zero();
        zero_page_came();
    } else {
        let slot = token as u32;
        frame = match fetch(store, slot, frame) {
            Fetched::Whole(frame) => frame,
            Fetched::NotYet => return Arrival::Soon,
            Fetched::Lost(loss) => return Arrival::Lost(loss),
            Fetched::UnderWay => {
                drop(locked);
                return wait_if(may_wait, || wait_for_slot(cpu, store, slot));
            }
            Fetched::OnDisk(_) if !may_wait => return Arrival::Later,
            Fetched::OnDisk(frame) => {
                let waiter = read_page(cpu, store, program, page, slot, frame);
                drop(locked);
                return match waiter {
                    Ok(waiter) => {
                        wait_for_read(cpu, waiter);
                        Arrival::Waits
                    }
                    Err(_) => wait_if(true, || wait_for_disk(cpu, store)),
                };
            }
        };
    }
    let back = space.swap_in(page, frame);
    assert!(back.is_ok(), "the page was swapped out, and the address space is locked");
    // The clock is to see that it is wanted.
    space.set_accessed(page);
    Arrival::Here(rights)
}

/// Makes the running thread wait, if it may; [`Arrival::Soon`] if there is nothing to wait for.
fn wait_if(may_wait: bool, wait: impl FnOnce() -> Waits) -> Arrival {
    match may_wait.then(wait) {
        None => Arrival::Later,
        Some(Waits::Yes) => Arrival::Waits,
        Some(Waits::No) => Arrival::Soon,
    }
}

/// Whether a page fault may be about a page that is swapped out: one look at a flag for programs none of whose pages ever went.
#[inline(always)]
#[must_use]
fn may_concern(cpu: &ThisCpu) -> bool {
    cpu.current().is_some_and(|thread| thread.program().residence().may_be_swapped_out())
}

/// Whether a program's page fault is about a page that is swapped out, or was until a moment ago, whose rights `allows` the access; and
/// what comes next if it was.
#[inline(always)]
pub fn fault(cpu: &ThisCpu, address: u64, allows: fn(Rights) -> bool) -> Option<Next> {
    if may_concern(cpu) { fault_of_swapped(cpu, address, allows) } else { None }
}

/// Whether looking into the instruction of a program failed because its page is swapped out. What comes next then lets the thread
/// execute the instruction again, with the page there.
pub fn instruction_swapped_out(cpu: &ThisCpu) -> Option<Next> {
    take_swap_error(cpu).map(|swap_error| settle(cpu, &swap_error).0)
}

/// What a copy has met does not matter: enough was copied all the same.
pub fn forget_swap_error(cpu: &ThisCpu) {
    drop(take_swap_error(cpu));
}

#[cold]
#[inline(never)]
fn fault_of_swapped(cpu: &ThisCpu, address: u64, allows: fn(Rights) -> bool) -> Option<Next> {
    let program = Arc::clone(cpu.current()?.program());
    match swap_in(cpu, &program, address, true) {
        // It may have come back by another thread's doing after this one had faulted.
        Arrival::Here(rights) => allows(rights).then_some(Next::Stay),
        Arrival::Nothing => None,
        Arrival::Soon | Arrival::Later => Some(sched::yield_now(cpu)),
        Arrival::Waits => Some(Next::Choose),
        Arrival::Lost(loss) => {
            program::lose_page(cpu, &program, address, loss);
            Some(Next::Choose)
        }
    }
}

/// Brings a page back that a copy needs.
///
/// # Errors
/// [`Error::BadAddress`] when the copy cannot go on now; [`refused`] then decides what becomes of the call.
pub fn for_copy(program: &Arc<Program>, address: u64) -> Result<(), Error> {
    let cpu = cpu::this();
    match swap_in(&cpu, program, address, false) {
        Arrival::Here(_) | Arrival::Nothing => Ok(()),
        arrival => {
            let swap_error = SwapError { program: Arc::clone(program), page: VirtAddr::new(address), arrival };
            TROUBLE.of(&cpu).replace(Some(swap_error));
            Err(Error::BadAddress)
        }
    }
}

fn take_swap_error(cpu: &ThisCpu) -> Option<SwapError> {
    TROUBLE.of(cpu).borrow_mut().take()
}

/// Does what a copy could not. Answers who runs next, and whether the page is lost.
fn settle(cpu: &ThisCpu, swap_error: &SwapError) -> (Next, bool) {
    let arrival = match swap_error.arrival {
        Arrival::Later => swap_in(cpu, &swap_error.program, swap_error.page.as_u64(), true),
        arrival => arrival,
    };
    match arrival {
        Arrival::Here(_) | Arrival::Nothing => (Next::Stay, false),
        Arrival::Soon | Arrival::Later => (sched::yield_now(cpu), false),
        Arrival::Waits => (Next::Choose, false),
        Arrival::Lost(loss) => {
            program::lose_page(cpu, &swap_error.program, swap_error.page.as_u64(), loss);
            (Next::Stay, true)
        }
    }
}

/// A system call of the running thread was refused. If that was for a page that is on its way, the thread makes the call again;
/// if it was for one that is lost, the program that owned it ends. Else the error stands.
#[cold]
pub fn refused(cpu: &ThisCpu, frame: &mut Frame, error: Error) -> Next {
    let Some(swap_error) = take_swap_error(cpu) else {
        frame.set_system_call_result(error.to_register());
        return Next::Stay;
    };
    // Before the thread may be off the CPU.
    frame.restart_system_call();
    let (next, lost) = settle(cpu, &swap_error);
    if lost {
        // The page's program ends for it, which may be another one.
        frame.finish_system_call();
        frame.set_system_call_result(error.to_register());
    }
    next
}
