//! How threads and programs end, and how their memory comes back.

use alloc::sync::Arc;

use gatehouse_abi::{EndCause, PageLoss, ProgramEnd, TrapNumber};

use super::{Departure, Program};
use crate::cpu::ThisCpu;
use crate::object::{FOREST, drop_removed};
use crate::sched::{self, Next};
use crate::start;
use crate::thread::Thread;
use crate::{console, ipc, swap};

/// Ends the program of the running thread, all its threads with it.
pub fn end_current(cpu: &ThisCpu, end: ProgramEnd) -> Next {
    if let Some(thread) = sched::forget_current(cpu) {
        let program = Arc::clone(thread.program());
        end_program(cpu, &program, end);
        thread_gone(cpu, thread);
    }
    Next::Choose
}

/// Ends the running thread alone; its program ends with its last thread.
pub fn end_running_thread(cpu: &ThisCpu, status: u64) -> Next {
    if let Some(thread) = sched::forget_current(cpu) {
        let program = Arc::clone(thread.program());
        // The last one to say so has the last word, should no other thread be left.
        program.life().last_exit = Some(exited(&program, &thread, cpu, status));
        thread_gone(cpu, thread);
    }
    Next::Choose
}

/// The end of a program that asked for it.
pub fn exited(program: &Program, thread: &Thread, cpu: &ThisCpu, status: u64) -> ProgramEnd {
    ProgramEnd {
        program: program.number(),
        cause: EndCause::Exited as u64,
        status,
        thread: thread.number(),
        cpu: u64::from(cpu.index().get()),
        ..ProgramEnd::default()
    }
}

/// Ends a program whose first thread was never resumed.
pub fn end_before_start(cpu: &ThisCpu, program: &Arc<Program>) {
    let end = ProgramEnd { program: program.number(), cause: EndCause::Killed as u64, ..ProgramEnd::default() };
    end_program(cpu, program, end);
}

/// Ends a program that was killed by somebody who may; `false` if it is ending already. The running thread may be one of
/// its own.
pub fn kill(cpu: &ThisCpu, program: &Arc<Program>) -> bool {
    if program.is_ending() || program.life().threads.is_empty() {
        return false;
    }
    let end = ProgramEnd { program: program.number(), cause: EndCause::Killed as u64, ..ProgramEnd::default() };
    end_program(cpu, program, end);
    true
}

/// Ends the program of a thread that waits for somebody to handle its fault, and that the caller owns.
pub fn end_waiting(cpu: &ThisCpu, thread: Arc<Thread>) {
    depart(cpu, Departure::Unhandled, thread);
}

/// Ends the program of a thread whose handler did not reply in time, and that the caller owns.
pub fn end_unanswered(cpu: &ThisCpu, thread: Arc<Thread>) {
    depart(cpu, Departure::TimedOut, thread);
}

/// A thread is off every CPU and list for good: frees it, and with the last one the program.
#[cold]
#[inline(never)]
pub fn thread_gone(cpu: &ThisCpu, thread: Arc<Thread>) {
    if thread.is_timed() {
        // Only the CPU where it ran last may take it out of the timer list. There it comes here again.
        let _ = sched::wake(cpu, thread);
        return;
    }
    depart(cpu, Departure::Gone, thread);
}

fn depart(cpu: &ThisCpu, departure: Departure, thread: Arc<Thread>) {
    let mut next = cpu.local().departures.borrow_mut().begin(departure, thread);
    while let Some((departure, thread)) = next {
        match departure {
            Departure::Gone => free_thread(cpu, thread),
            Departure::Unhandled => end_for_fault(cpu, thread, EndCause::Trap),
            Departure::TimedOut => end_for_fault(cpu, thread, EndCause::HandlerTimeout),
        }
        next = cpu.local().departures.borrow_mut().take();
    }
}

/// Ends the program of a thread that waits for its fault to be handled.
fn end_for_fault(cpu: &ThisCpu, thread: Arc<Thread>, cause: EndCause) {
    let program = Arc::clone(thread.program());
    let fault = ipc::fault_message(&thread);
    if !program.is_quiet() {
        console::line(format_args!(
            "fault: program={} ({}) thread={} trap={:?} address={:#x} rip={:#x}: not handled by its handler{}",
            program.name(),
            program.number(),
            thread.number(),
            TrapNumber::from_bits(fault.cause),
            fault.address,
            fault.program_counter,
            if cause == EndCause::HandlerTimeout { " in time" } else { "" }
        ));
    }
    let end = ProgramEnd {
        program: program.number(),
        cause: cause as u64,
        status: 0,
        trap: fault.cause,
        vector: fault.access >> 32,
        error_code: fault.access & 0xffff_ffff,
        address: fault.address,
        instruction_pointer: fault.program_counter,
        stack_pointer: fault.stack_pointer,
        thread: thread.number(),
        cpu: fault.cpu,
    };
    end_program(cpu, &program, end);
    thread_gone(cpu, thread);
}

/// Ends a program for a page of it that cannot be brought back. The running thread may be one of its threads, and is gone
/// then.
pub fn lose_page(cpu: &ThisCpu, program: &Arc<Program>, address: u64, loss: PageLoss) {
    if !program.is_quiet() {
        console::line(format_args!(
            "swap: program={} ({}) address={address:#x}: {}",
            program.name(),
            program.number(),
            match loss {
                PageLoss::Corrupt => "what was read is not what was written: the checksum differs",
                PageLoss::InputOutput => "the disk cannot read the page",
                PageLoss::NoMemory => "there is no memory for the page, and no other page can be swapped out",
            }
        ));
    }
    let end = ProgramEnd {
        program: program.number(),
        cause: EndCause::PageLost as u64,
        status: loss as u64,
        address,
        cpu: u64::from(cpu.index().get()),
        ..ProgramEnd::default()
    };
    end_program(cpu, program, end);
}

/// Stops all threads of a program, wherever they are.
fn end_program(cpu: &ThisCpu, program: &Arc<Program>, end: ProgramEnd) {
    if !program.decide_end(end) {
        return;
    }
    let waiter = program.life().waiter.take();
    if let Some(thread) = waiter {
        // Where it is woken it is ended, since its program is ending.
        let _ = sched::wake(cpu, thread);
    }
    // First it is noted as ending: with the suspended threads it may be gone, which takes the note back.
    ipc::cancel(cpu, program);
    let mut suspended = core::mem::take(&mut program.life().suspended);
    while let Some(thread) = suspended.take_first() {
        thread_gone(cpu, thread);
    }
    // From here on no thread is paused any more: see `pause`.
    loop {
        let paused = program.life().paused.take_first();
        let Some(thread) = paused else { break };
        thread_gone(cpu, thread);
    }
    swap::cancel_waiting(cpu, program);
    sched::stop_threads_elsewhere(cpu, program);
    // Those of this CPU go at once: in its queue and its timer list. The caller has taken the running one.
    let _ = sched::reap(cpu);
}

/// Frees a thread, and with the last one the program.
fn free_thread(cpu: &ThisCpu, thread: Arc<Thread>) {
    let program = Arc::clone(thread.program());
    let number = thread.number();
    ipc::release_clients(cpu, &thread);
    ipc::handler::release(&thread);
    program.give_back_utcb(thread.utcb_slot());
    drop(thread);
    if program.remove_thread(number) {
        program_gone(cpu, program);
    }
}

/// The last thread is gone: gives the memory back, then tells whoever started the program.
fn program_gone(cpu: &ThisCpu, program: Arc<Program>) {
    ipc::cancelled(&program);
    drop_removed(cpu, FOREST.end(program.capabilities()));
    let space = program.space().take();
    sched::wait_until_left(cpu, program.root());
    if let Some(mut space) = space {
        // SAFETY: no CPU has the tables loaded any more, and loading others forgets their translations.
        unsafe { space.clear(swap::release) };
    }
    let last_exit = program.life().last_exit.unwrap_or_default();
    program.decide_end(last_exit);
    let end = program.life().end.unwrap_or_default();
    let parent = program.parent();
    let is_first = program.is_first();
    drop(program);
    if is_first {
        start::first_program_ended(&end);
    }
    let Some(parent) = parent else { return };
    let mut life = parent.life();
    life.children -= 1;
    #[expect(clippy::disallowed_methods, reason = "there has been room for it since the child began")]
    life.ended.push_back(end);
    let waiter = life.waiter.take();
    drop(life);
    if let Some(thread) = waiter {
        // Whoever ends a program chooses anew anyway, so a waiter that is woken here gets its turn.
        let _ = sched::wake(cpu, thread);
    }
}
