//! Starting programs and threads.

use alloc::sync::Arc;
use core::fmt;

use percpu::CpuIndex;
use x86_64::VirtAddr;

use super::{Program, archive, elf};
use crate::arch::Frame;
use crate::cpu::{self, ThisCpu};
use crate::memory::Rights;
use crate::memory::frame::Frame as PageFrame;
use crate::memory::layout::{PAGE_SIZE, USER_END};
use crate::memory::{AddressSpace, UserRange};
use crate::sched::{self, Next};
use crate::thread::Thread;
use crate::trap::TrapFrame as _;

/// Bytes of a program's first stack.
const STACK_BYTES: u64 = 64 * 1024;
/// One past the first stack: a page below the end of user memory.
const STACK_TOP: u64 = USER_END - PAGE_SIZE;

/// Why a program was not started.
#[derive(Debug)]
pub enum SpawnError {
    /// The boot archive has no file of this name.
    NoSuchProgram,
    /// The file is not a program that this kernel runs.
    Elf(elf::ElfError),
    /// Memory ran out.
    OutOfMemory,
    /// The CPU does not exist or is not online.
    NoSuchCpu,
    /// The entry or the stack pointer is no user address.
    BadAddress,
    /// Whoever asked is ending.
    Ending,
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
        }
    }
}

impl From<elf::LoadError> for SpawnError {
    fn from(error: elf::LoadError) -> Self {
        match error {
            elf::LoadError::Elf(error) => Self::Elf(error),
            elf::LoadError::OutOfMemory => Self::OutOfMemory,
        }
    }
}

/// Starts a program from the boot archive on a CPU that is online, with one thread; answers its number.
///
/// # Errors
/// As [`SpawnError`] tells; nothing is left behind then.
pub fn spawn_program(
    cpu: &ThisCpu,
    parent: Option<&Arc<Program>>,
    name: &str,
    argument: u64,
    target: CpuIndex,
    quiet: bool,
) -> Result<(u64, Next), SpawnError> {
    cpu::by_index(target).ok_or(SpawnError::NoSuchCpu)?;
    let file = archive::find(name).ok_or(SpawnError::NoSuchProgram)?;
    let mut space = AddressSpace::new().map_err(|_| SpawnError::OutOfMemory)?;
    let entry = elf::load(file, &mut space)?;
    map_stack(&mut space)?;
    let program = Program::new(name, parent, quiet, space);
    let number = program.number();
    let mut frame = Frame::user(entry, STACK_TOP);
    frame.set_thread_arguments(argument, number);
    if let Some(parent) = parent {
        let mut life = parent.life();
        if life.end.is_some() {
            return Err(SpawnError::Ending);
        }
        // Room for the news of every child's end is made here, where it can be refused.
        let waiting = life.children as usize + 1;
        life.ended.try_reserve(waiting).map_err(|_| SpawnError::OutOfMemory)?;
        life.children += 1;
    }
    let thread = Thread::new(Arc::clone(&program), frame, target);
    if !program.add_thread(&thread) {
        unreachable!("a program that nobody knows of cannot be ending");
    }
    Ok((number, sched::hand_over(cpu, thread, target)))
}

fn map_stack(space: &mut AddressSpace) -> Result<(), SpawnError> {
    for address in (STACK_TOP - STACK_BYTES..STACK_TOP).step_by(PAGE_SIZE as usize) {
        let frame = PageFrame::allocate_zeroed().map_err(|_| SpawnError::OutOfMemory)?;
        space.map(VirtAddr::new(address), frame, Rights::ReadWrite).map_err(|_| SpawnError::OutOfMemory)?;
    }
    Ok(())
}

/// Starts another thread of the program; answers its number.
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
    cpu::by_index(target).ok_or(SpawnError::NoSuchCpu)?;
    if UserRange::new(entry, 1).is_none() || UserRange::new(stack_pointer, 0).is_none() {
        return Err(SpawnError::BadAddress);
    }
    let mut frame = Frame::user(entry, stack_pointer);
    frame.set_thread_arguments(argument, program.number());
    let thread = Thread::new(Arc::clone(program), frame, target);
    let number = thread.number();
    if !program.add_thread(&thread) {
        return Err(SpawnError::Ending);
    }
    Ok((number, sched::hand_over(cpu, thread, target)))
}
