//! Starting programs and threads.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use gatehouse_abi::{SLOT_FIRST_THREAD, SLOT_OWN_PROGRAM};
use gatehouse_core::capability::{Capability, Destination, Rights, Slot};
use gatehouse_core::memory::layout::{PAGE_SIZE, STACK_BYTES, STACK_TOP};
use gatehouse_core::memory::{Rights as PageRights, UserRange};
use gatehouse_core::program::elf::ElfError;
use gatehouse_core::sched::Affinity;
use percpu::CpuIndex;
use x86_64::VirtAddr;

use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::{self, ThisCpu};
use crate::ipc::handler;
use crate::memory::AddressSpace;
use crate::memory::fallible::{self, OutOfHeap};
use crate::memory::frame::Frame as PageFrame;
use crate::object::{AnyObject, FOREST};
use crate::program::{LoadError, NoThread, Program, THREAD_QUOTA, archive, list, load};
use crate::sched::{self, Next};
use crate::swap;
use crate::thread::Thread;

/// Why a program was not started.
#[derive(Debug)]
pub enum SpawnError {
    /// The boot archive has no file of this name.
    NoSuchProgram,
    /// The file is not a program that this kernel runs.
    Elf(ElfError),
    /// Memory ran out.
    OutOfMemory,
    /// The CPU does not exist or is not online.
    NoSuchCpu,
    /// The entry or the stack pointer is no user address.
    BadAddress,
    /// Whoever asked is ending.
    Ending,
    /// The program has [`THREAD_QUOTA`] threads.
    QuotaReached,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchProgram => out.write_str("the boot archive has no such file"),
            Self::Elf(error) => error.fmt(out),
            Self::OutOfMemory => out.write_str("memory ran out"),
            Self::NoSuchCpu => out.write_str("that CPU is not online"),
            Self::BadAddress => out.write_str("the entry or the stack pointer is no user address"),
            Self::Ending => out.write_str("the program that asked is ending"),
            Self::QuotaReached => write!(out, "the program has {THREAD_QUOTA} threads"),
        }
    }
}

impl From<NoThread> for SpawnError {
    fn from(refused: NoThread) -> Self {
        match refused {
            NoThread::Ending => Self::Ending,
            NoThread::QuotaReached => Self::QuotaReached,
            NoThread::OutOfMemory => Self::OutOfMemory,
        }
    }
}

impl From<OutOfHeap> for SpawnError {
    fn from(_: OutOfHeap) -> Self {
        Self::OutOfMemory
    }
}

impl From<LoadError> for SpawnError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Elf(error) => Self::Elf(error),
            LoadError::OutOfMemory => Self::OutOfMemory,
        }
    }
}

/// What a program is started with.
#[derive(Clone, Copy, Debug)]
pub struct Start<'name> {
    /// Its name in the boot archive.
    pub name: &'name str,
    /// What its first thread finds as its argument.
    pub argument: u64,
    /// Where that runs, or may begin: a CPU that is online.
    pub cpu: CpuIndex,
    /// It may run on any other CPU, too.
    pub migratable: bool,
    /// Its faults are told to its parent only.
    pub quiet: bool,
    /// Its first thread waits to be resumed.
    pub suspended: bool,
}

/// Starts a program from the boot archive, with one thread.
///
/// # Errors
/// As [`SpawnError`] tells; nothing is left behind then.
pub fn spawn_program(
    cpu: &ThisCpu,
    parent: Option<&Arc<Program>>,
    start: &Start<'_>,
) -> Result<(Arc<Program>, Next), SpawnError> {
    cpu::by_index(start.cpu).ok_or(SpawnError::NoSuchCpu)?;
    let file = archive::find(start.name).ok_or(SpawnError::NoSuchProgram)?;
    let _ = swap::reclaim(cpu, file.len() as u64 / PAGE_SIZE + STACK_BYTES / PAGE_SIZE);
    let mut space = AddressSpace::new().map_err(|_| SpawnError::OutOfMemory)?;
    let entry = load(file, &mut space)?;
    map_stack(&mut space)?;
    let program = Program::new(start.name, parent, start.quiet, space)?;
    let thread = make_thread(&program, entry, STACK_TOP, start.argument, start.cpu)?;
    let migratable =
        if start.migratable { fallible::new_box(Affinity::All).map(|all| thread.set_affinity(all)) } else { Ok(()) };
    let listed = if list::add(&program) { Ok(()) } else { Err(SpawnError::OutOfMemory) };
    let prepared = migratable
        .map_err(SpawnError::from)
        .and(listed)
        .and_then(|()| give_own_capabilities(&program, &thread))
        .and_then(|()| Ok(program.add_thread(&thread)?))
        .and_then(|()| parent.map_or(Ok(()), expect_child));
    if let Err(error) = prepared {
        // The space holds the program that holds the space.
        FOREST.end(program.capabilities()).for_each(drop);
        return Err(error);
    }
    if start.suspended {
        program.life().suspended.put(thread);
        return Ok((program, Next::Stay));
    }
    let next = sched::start(cpu, thread);
    Ok((program, next))
}

/// Makes a parent ready for the news of one more child's end: room for it is made here, where it can be refused.
fn expect_child(parent: &Arc<Program>) -> Result<(), SpawnError> {
    let mut life = parent.life();
    if life.end.is_some() {
        return Err(SpawnError::Ending);
    }
    let waiting = (life.children + life.being_told) as usize + 1;
    fallible::reserve_ends(&mut life.ended, waiting)?;
    life.children += 1;
    Ok(())
}

/// Puts the capabilities that every program has into its slots.
fn give_own_capabilities(program: &Arc<Program>, thread: &Arc<Thread>) -> Result<(), SpawnError> {
    let own = [
        (SLOT_OWN_PROGRAM, AnyObject::new(Arc::clone(program))),
        (SLOT_FIRST_THREAD, AnyObject::new(Arc::clone(thread))),
    ];
    for (slot, object) in own {
        let capability = Capability { object, rights: Rights::ALL, badge: 0 };
        let place = Slot::new(slot).map_or(Destination::AnyFree, Destination::At);
        FOREST.insert(program.capabilities(), place, capability).map_err(|_| SpawnError::OutOfMemory)?;
    }
    Ok(())
}

/// A thread that will enter ring 3.
#[inline(always)]
fn make_thread(
    program: &Arc<Program>,
    entry: u64,
    stack_pointer: u64,
    argument: u64,
    target: CpuIndex,
) -> Result<Arc<Thread>, SpawnError> {
    let utcb = program.take_utcb().ok_or(SpawnError::OutOfMemory)?;
    let mut frame = Frame::user(entry, stack_pointer);
    frame.set_thread_arguments([argument, program.number(), utcb.address()]);
    Thread::new(Arc::clone(program), frame, target, utcb).map_err(|error| {
        program.give_back_utcb(utcb);
        error.into()
    })
}

fn map_stack(space: &mut AddressSpace) -> Result<(), SpawnError> {
    for address in (STACK_TOP - STACK_BYTES..STACK_TOP).step_by(PAGE_SIZE as usize) {
        let frame = PageFrame::allocate_zeroed().map_err(|_| SpawnError::OutOfMemory)?;
        space.map(VirtAddr::new(address), frame, PageRights::ReadWrite).map_err(|_| SpawnError::OutOfMemory)?;
    }
    Ok(())
}

/// Starts another thread of the program, on a CPU where it stays, with the fault handler of the running one; answers its number.
///
/// # Errors
/// As [`SpawnError`] tells.
pub fn spawn_thread(
    cpu: &ThisCpu,
    program: &Arc<Program>,
    entry: u64,
    stack_pointer: u64,
    argument: u64,
    target: CpuIndex,
) -> Result<(u64, Next), SpawnError> {
    let thread = add_thread(cpu, program, entry, stack_pointer, argument, target)?;
    Ok((thread.number(), sched::hand_over(cpu, thread)))
}

/// The same for a thread that may run on other CPUs, too.
///
/// # Errors
/// As [`SpawnError`] tells.
#[inline(never)]
pub fn spawn_thread_among(
    cpu: &ThisCpu,
    program: &Arc<Program>,
    [entry, stack_pointer, argument]: [u64; 3],
    target: CpuIndex,
    affinity: Box<Affinity>,
) -> Result<(u64, Next), SpawnError> {
    let thread = add_thread(cpu, program, entry, stack_pointer, argument, target)?;
    thread.set_affinity(affinity);
    Ok((thread.number(), sched::start(cpu, thread)))
}

/// A new thread of the program, not yet ready.
#[inline(always)]
fn add_thread(
    cpu: &ThisCpu,
    program: &Arc<Program>,
    entry: u64,
    stack_pointer: u64,
    argument: u64,
    target: CpuIndex,
) -> Result<Arc<Thread>, SpawnError> {
    cpu::by_index(target).ok_or(SpawnError::NoSuchCpu)?;
    if UserRange::new(entry, 1).is_none() || UserRange::new(stack_pointer, 0).is_none() {
        return Err(SpawnError::BadAddress);
    }
    let thread = make_thread(program, entry, stack_pointer, argument, target)?;
    let inherited = cpu.current().map_or(Ok(()), |current| handler::inherit(current, &thread));
    let prepared = inherited.map_err(|_| SpawnError::OutOfMemory);
    let taken_in = prepared.and_then(|()| Ok(program.add_thread(&thread)?));
    if let Err(error) = taken_in {
        handler::release(&thread);
        program.give_back_utcb(thread.utcb_slot());
        return Err(error);
    }
    Ok(thread)
}
