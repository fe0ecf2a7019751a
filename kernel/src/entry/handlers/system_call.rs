//! System calls, by either entry point: the number leads to the row. Those of messages, and those that do next to nothing, have a fast path.

use alloc::sync::Arc;
use core::convert::Infallible;
use core::marker::PhantomData;

use gatehouse_abi::{SystemCall, TrapNumber};
use percpu::EntryCounters;

use super::tables::INT80_CALLS;
use crate::arch::{Frame, TrapFrame as _, vectors};
use crate::cpu::ThisCpu;
use crate::entry::trap_main::{Fast, Row};
use crate::ipc::fast_path::{self, Client, Outgoing, Waiter};
use crate::sched::Next;
use crate::system_call;
use crate::thread::Thread;

/// How many system calls there are; the number by which all others are handled.
pub(in crate::entry) const SYSTEM_CALL_COUNT: usize = SystemCall::ALL.len();

/// The entry of SYSCALL, by its counter.
pub(super) const BY_SYSCALL: usize = EntryCounters::SYSCALL;
/// That of `int 0x80`.
pub(super) const BY_INT80: usize = vectors::SYSTEM_CALL as usize;

/// What the entry of `int 0x80` calls: goes on to the row, as the entry of SYSCALL does.
pub(super) extern "C" fn int80(frame: *mut Frame) -> *const Frame {
    // SAFETY: the entry passes the frame it has just completed.
    let number = unsafe { (*frame).system_call_number() };
    INT80_CALLS[number.min(SYSTEM_CALL_COUNT as u64) as usize](frame)
}

/// A system call by SYSCALL or `int 0x80`: the row that it makes is counted under `ENTRY`.
pub(super) struct Made<C, const ENTRY: usize>(PhantomData<C>);

/// What a call that a thread makes, which runs on this CPU, comes to. As in [`Row`].
pub(super) trait Call {
    type Found;
    type Taken: Default;
    const HAS_FAST_PATH: bool = true;

    #[inline(always)]
    fn fast(_cpu: &ThisCpu, _frame: &mut Frame) -> Result<Next, Result<Self::Found, Self::Taken>> {
        Err(Err(Self::Taken::default()))
    }

    #[inline(always)]
    fn resume(_cpu: &ThisCpu, _frame: &mut Frame, _found: Self::Found) -> Result<Next, Self::Taken> {
        Err(Self::Taken::default())
    }

    fn rest(cpu: &ThisCpu, frame: &mut Frame, taken: Self::Taken) -> Next;
}

impl<C: Call, const ENTRY: usize> Row for Made<C, ENTRY> {
    type Found = C::Found;
    type Taken = C::Taken;
    const COUNTER: Option<usize> = Some(ENTRY);
    const HAS_FAST_PATH: bool = C::HAS_FAST_PATH;

    #[inline(always)]
    fn number(_frame: &Frame) -> TrapNumber {
        TrapNumber::SYSTEM_CALL
    }

    #[inline(always)]
    fn fast(cpu: &ThisCpu, _number: TrapNumber, frame: &mut Frame) -> Fast<Self> {
        match C::fast(cpu, frame) {
            Ok(next) => Fast::Done(next),
            Err(Ok(found)) => Fast::Otherwise(found),
            Err(Err(taken)) => Fast::Rest(taken),
        }
    }

    #[inline(always)]
    fn resume(cpu: &ThisCpu, _number: TrapNumber, frame: &mut Frame, found: C::Found) -> Result<Next, C::Taken> {
        C::resume(cpu, frame, found)
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, _number: TrapNumber, frame: &mut Frame, taken: C::Taken) -> Next {
        C::rest(cpu, frame, taken)
    }
}

/// [`SystemCall::Null`].
pub(super) struct Null;

impl Call for Null {
    type Found = Infallible;
    type Taken = ();

    #[inline(always)]
    fn fast(_cpu: &ThisCpu, frame: &mut Frame) -> Result<Next, Result<Infallible, ()>> {
        system_call::null(frame);
        Ok(Next::Stay)
    }

    #[inline(always)]
    fn rest(_cpu: &ThisCpu, _frame: &mut Frame, _taken: ()) -> Next {
        Next::Stay
    }
}

/// [`SystemCall::Call`].
pub(super) struct MessageCall;

impl Call for MessageCall {
    type Found = Outgoing<'static>;
    type Taken = ();

    #[inline(always)]
    fn fast(cpu: &ThisCpu, frame: &mut Frame) -> Result<Next, Result<Outgoing<'static>, ()>> {
        // SAFETY: system calls come from ring 3, so a thread is on this CPU, and this is its frame.
        unsafe { fast_path::call(cpu, frame) }.map(Next::Switched).map_err(|found| found.ok_or(()))
    }

    #[inline(always)]
    fn resume(cpu: &ThisCpu, frame: &mut Frame, found: Outgoing<'static>) -> Result<Next, ()> {
        // SAFETY: this is what `fast` has answered, of the same call.
        unsafe { found.send(cpu, frame) }.map(Next::Switched).ok_or(())
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, frame: &mut Frame, _taken: ()) -> Next {
        system_call::call(cpu, frame)
    }
}

/// [`SystemCall::ReplyReceive`].
pub(super) struct ReplyReceive;

impl Call for ReplyReceive {
    type Found = Client<'static>;
    type Taken = Option<Arc<Thread>>;

    #[inline(always)]
    fn fast(cpu: &ThisCpu, frame: &mut Frame) -> Result<Next, Result<Client<'static>, Self::Taken>> {
        // SAFETY: system calls come from ring 3, so a thread is on this CPU, and this is its frame.
        unsafe { fast_path::reply_receive(cpu, frame) }.map(Next::Switched).map_err(|client| client.ok_or(None))
    }

    #[inline(always)]
    fn resume(cpu: &ThisCpu, frame: &mut Frame, found: Client<'static>) -> Result<Next, Self::Taken> {
        // SAFETY: this is what `fast` has answered, of the same call.
        unsafe { found.reply(cpu, frame) }.map(Next::Switched).map_err(Some)
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, frame: &mut Frame, taken: Self::Taken) -> Next {
        system_call::reply_receive(cpu, frame, taken)
    }
}

/// [`SystemCall::Signal`].
pub(super) struct Signal;

impl Call for Signal {
    type Found = Waiter;
    type Taken = ();

    #[inline(always)]
    fn fast(cpu: &ThisCpu, frame: &mut Frame) -> Result<Next, Result<Waiter, ()>> {
        // SAFETY: system calls come from ring 3, so a thread is on this CPU, and this is its frame.
        unsafe { fast_path::signal(cpu, frame) }.map(Next::Switched).map_err(|waiter| waiter.ok_or(()))
    }

    #[inline(always)]
    fn resume(cpu: &ThisCpu, _frame: &mut Frame, found: Waiter) -> Result<Next, ()> {
        // SAFETY: this is what `fast` has answered, of the same call.
        Ok(Next::Switched(unsafe { found.run(cpu) }))
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, frame: &mut Frame, _taken: ()) -> Next {
        system_call::own::<{ SystemCall::Signal as u64 }>(cpu, frame)
    }
}

/// [`SystemCall::AcknowledgeInterrupt`].
pub(super) struct Acknowledge;

impl Call for Acknowledge {
    type Found = Infallible;
    type Taken = ();

    #[inline(always)]
    fn fast(cpu: &ThisCpu, frame: &mut Frame) -> Result<Next, Result<Infallible, ()>> {
        // SAFETY: system calls come from ring 3, so a thread is on this CPU, and it stays there during this one.
        let thread = unsafe { &*cpu.current_pointer() };
        system_call::try_acknowledge(thread, frame).map(|()| Next::Stay).ok_or(Err(()))
    }

    #[inline(always)]
    fn rest(cpu: &ThisCpu, frame: &mut Frame, _taken: ()) -> Next {
        system_call_handler(cpu, frame)
    }
}

/// The call with this number, compiled for it alone, without a fast path.
pub(super) struct Own<const NUMBER: u64>;

impl<const NUMBER: u64> Call for Own<NUMBER> {
    type Found = Infallible;
    type Taken = ();
    const HAS_FAST_PATH: bool = false;

    #[inline(always)]
    fn rest(cpu: &ThisCpu, frame: &mut Frame, _taken: ()) -> Next {
        system_call::own::<NUMBER>(cpu, frame)
    }
}

/// All other calls, and numbers that mean nothing.
pub(super) struct Other;

impl Call for Other {
    type Found = Infallible;
    type Taken = ();
    const HAS_FAST_PATH: bool = false;

    #[inline(always)]
    fn rest(cpu: &ThisCpu, frame: &mut Frame, _taken: ()) -> Next {
        system_call_handler(cpu, frame)
    }
}

/// Any system call, by the number in the frame.
#[inline(never)]
fn system_call_handler(cpu: &ThisCpu, frame: &mut Frame) -> Next {
    system_call::dispatch(cpu, frame)
}
