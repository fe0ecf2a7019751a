//! From a vector to the type of trap: at once where the vector and the error code tell, else by looking into the frame.

use core::convert::Infallible;
use core::marker::PhantomData;

use gatehouse_abi::TrapNumber;

use super::handle_by_number;
use crate::arch::{Arch, ArchTrap as _, Frame, Origin, TrapFrame as _, trap_number};
use crate::cpu::ThisCpu;
use crate::entry::trap_info::trap_info;
use crate::entry::trap_main::{Fast, Row};
use crate::ipc::fast_path::{self, Outgoing};
use crate::sched::Next;

/// Any exception. Fast where the processor's part of the kernel handles it by itself.
pub(in crate::entry) struct Exception;

impl Row for Exception {
    type Found = Infallible;
    type Taken = ();
    const COUNTER: Option<usize> = None;

    #[inline(always)]
    fn number(frame: &Frame) -> TrapNumber {
        trap_number(frame.vector() as u8, frame.error_code())
    }

    #[inline(always)]
    fn fast(_cpu: &ThisCpu, _number: TrapNumber, frame: &mut Frame) -> Fast<Self> {
        if Arch::handle_exception(frame) { Fast::Done(Next::Stay) } else { Fast::Rest(()) }
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, number: TrapNumber, frame: &mut Frame, _taken: ()) -> Next {
        handle(cpu, number, frame)
    }
}

/// An exception that goes to the thread's handler as a message, without a look into the frame.
pub(super) trait Fault {
    /// The vector.
    const VECTOR: u8;
    /// Whether it may be about a page that is swapped out.
    const ABOUT_MEMORY: bool;

    /// The type of the trap.
    fn number(frame: &Frame) -> TrapNumber;

    /// The address that was accessed; 0 for none. To be asked before anything can fault.
    fn address() -> u64;
}

/// Such an exception. Fast where the handler of the program that ran waits.
pub(super) struct Faulted<F>(PhantomData<F>);

impl<F: Fault> Row for Faulted<F> {
    type Found = Outgoing<'static>;
    type Taken = ();
    const COUNTER: Option<usize> = Some(F::VECTOR as usize);

    #[inline(always)]
    fn number(frame: &Frame) -> TrapNumber {
        F::number(frame)
    }

    #[inline(always)]
    fn fast(cpu: &ThisCpu, number: TrapNumber, frame: &mut Frame) -> Fast<Self> {
        if frame.origin() == Origin::Kernel {
            return Fast::Rest(());
        }
        // SAFETY: ring 3 ran, so a thread is on this CPU, and this is its frame.
        match unsafe { fast_path::fault(cpu, number, F::address(), F::ABOUT_MEMORY, frame) } {
            Ok(next) => Fast::Done(Next::Switched(next)),
            Err(Some(outgoing)) => Fast::Otherwise(outgoing),
            Err(None) => Fast::Rest(()),
        }
    }

    #[inline(always)]
    fn resume(cpu: &ThisCpu, _number: TrapNumber, frame: &mut Frame, found: Outgoing<'static>) -> Result<Next, ()> {
        // SAFETY: this is what `fast` has answered, of the same trap.
        unsafe { found.send(cpu, frame) }.map(Next::Switched).ok_or(())
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, number: TrapNumber, frame: &mut Frame, _taken: ()) -> Next {
        handle(cpu, number, frame)
    }
}

/// Finds out all about an exception and calls the handler of its type.
#[inline(never)]
fn handle(cpu: &ThisCpu, number: TrapNumber, frame: &mut Frame) -> Next {
    let info = trap_info(number, frame);
    handle_by_number(cpu, &info, frame)
}
