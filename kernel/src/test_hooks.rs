//! Traps that the kernel raises in itself on request, so that tests see what becomes of them in the kernel that is shipped.
//!
//! It is closed unless the command line has the word [`TestHook::WORD`]: see `docs/testing.md`.

use gatehouse_abi::{Error, TestHook};
use percpu::CpuIndex;
use smp::icr::{Command, Destination};

use crate::arch::{Frame, Shown, TrapFrame as _, ends_by_itself, show_register};
use crate::clock;
use crate::cpu::{self, ThisCpu};
use crate::entry::raise;
use crate::facts::facts;
use crate::memory::emergency_reserve::EMERGENCY_RESERVE;
use crate::memory::filled_heap;
use crate::sched::Next;
use crate::{lockdown, test_overflow};

/// Whether the command line opens it.
fn allowed() -> bool {
    facts().command_line.split_whitespace().any(|word| word == TestHook::WORD)
}

/// Handles the system call in the frame of the running thread. Most hooks never come back: the machine is in lockdown then.
pub fn run(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    let [number, argument, ..] = frame.system_call_arguments();
    let answer = match TestHook::from_number(number) {
        _ if !allowed() => Err(Error::NotPermitted),
        None => Err(Error::InvalidArgument),
        Some(hook) => raise(cpu, frame, hook, argument),
    };
    frame.set_system_call_result(answer.unwrap_or_else(Error::to_register));
    Next::Stay
}

fn raise(cpu: &ThisCpu, frame: &mut Frame, hook: TestHook, argument: u64) -> Result<u64, Error> {
    match hook {
        TestHook::Load => return Ok(raise::load(argument)),
        TestHook::Store => raise::store(argument),
        TestHook::Execute => raise::execute(argument),
        TestHook::UnknownInstruction => raise::unknown_instruction(),
        TestHook::Breakpoint => raise::breakpoint(),
        TestHook::DivideError => raise::divide_error(),
        TestHook::SingleStep => raise::single_step(),
        TestHook::RefuseAllocation => return Ok(EMERGENCY_RESERVE.of(cpu).refuse(argument)),
        TestHook::FillHeap if argument == 0 => filled_heap::empty(),
        TestHook::FillHeap => filled_heap::fill(),
        TestHook::SpuriousInterrupt => raise::spurious_interrupt(),
        TestHook::ExceptionInKernel => raise::exception_in_kernel(cpu, exception(argument)?, argument >> 32),
        TestHook::ExceptionInProgram => raise::exception_in_program(cpu, frame, exception(argument)?, argument >> 32),
        TestHook::RefusedReturn => raise::refuse_return(frame, argument),
        TestHook::Interrupt => {
            let vector = (argument & 0xffff_ffff).try_into().map_err(|_| Error::InvalidArgument)?;
            send(cpu, Command::Fixed(vector), argument >> 32)?;
        }
        TestHook::NonMaskableInterrupt => send(cpu, Command::Nmi, argument >> 32)?,
        TestHook::Hold => hold(argument)?,
        TestHook::Panic => panic!("a program asked for it"),
        TestHook::OverflowInterruptStack => test_overflow::overflow_interrupt_stack(cpu, argument),
        TestHook::OverflowNextHandler => test_overflow::overflow_next_handler(argument)?,
        TestHook::DumpCpu => {
            let index = u32::try_from(argument).map(CpuIndex::new).map_err(|_| Error::NoSuchCpu)?;
            let target = cpu::by_index(index).ok_or(Error::NoSuchCpu)?;
            lockdown::dump(cpu, target).map_err(|_| Error::WouldBlock)?;
        }
        TestHook::ShowRegister => return register(argument),
    }
    Ok(0)
}

/// Half of a register of this CPU.
fn register(argument: u64) -> Result<u64, Error> {
    let number = argument as u32;
    let register = match argument >> 32 & 0xff {
        0 => Shown::Msr(number),
        1 => Shown::Control(number),
        2 => Shown::Debug(number),
        3 => Shown::ExtendedControl,
        4 => Shown::Table(number),
        _ => return Err(Error::InvalidArgument),
    };
    let value = show_register(register).ok_or(Error::NotFound)?;
    Ok(if argument >> 63 == 0 { value & 0xffff_ffff } else { value >> 32 })
}

/// The longest that a CPU is held: one minute, in nanoseconds.
const LONGEST_HOLD: u64 = 60_000_000_000;

/// Keeps the CPU, with its interrupts off.
#[inline(never)]
fn hold(nanoseconds: u64) -> Result<(), Error> {
    if nanoseconds > LONGEST_HOLD {
        return Err(Error::InvalidArgument);
    }
    let end = clock::nanoseconds_since_start() + nanoseconds;
    while clock::nanoseconds_since_start() < end {
        core::hint::spin_loop();
    }
    Ok(())
}

/// Sends an interrupt to the CPU with this index.
fn send(cpu: &ThisCpu, command: Command, target: u64) -> Result<(), Error> {
    let index = u32::try_from(target).map(CpuIndex::new).map_err(|_| Error::NoSuchCpu)?;
    let target = cpu::by_index(index).ok_or(Error::NoSuchCpu)?;
    let sent = cpu.apic().send(command, Destination::Physical(target.apic_id()));
    sent.map_err(|_| Error::InvalidArgument)
}

/// The exception that an argument names, or the spurious interrupt, which needs no end as other interrupts do.
fn exception(argument: u64) -> Result<u8, Error> {
    let vector = (argument & 0xffff_ffff).try_into().map_err(|_| Error::InvalidArgument)?;
    if ends_by_itself(vector) { Ok(vector) } else { Err(Error::InvalidArgument) }
}
