//! How threads and programs end, and how their memory comes back: by the exit queue of the CPU, when the handler is over.

use alloc::sync::Arc;

use gatehouse_abi::{EndCause, PageLoss, ProgramEnd, TrapNumber};
use gatehouse_core::intrusive::{End, Stage};
use spin::Once;

use super::paused::pause;
use super::wait::{stop_waiting, time_out};
use crate::cpu::ThisCpu;
use crate::ipi;
use crate::object::{FOREST, drop_removed};
use crate::program::{Fates, Program};
use crate::sched::EXIT_QUEUE;
use crate::sched::{self, Next, ProgramHooks};
use crate::thread::{OffCpu, Thread};
use crate::{console, ipc, swap};

/// What programs do about threads that the scheduler has in hands: for the start, which hands it down.
pub const HOOKS: ProgramHooks = ProgramHooks { gone: thread_gone, stop_waiting, time_out };

/// What is done where a message or a page is lost: for the start as well.
pub const FATES: Fates = Fates { end_waiting, end_unanswered, pause, lose_page };

/// Ends the program of the running thread, all its threads with it. The thread leaves the CPU at once.
pub fn end_current(cpu: &ThisCpu, end: ProgramEnd) -> Next {
    if let Some(thread) = sched::forget_current(cpu) {
        end_program(cpu, thread.program(), end);
        thread_gone(cpu, thread);
    }
    Next::Choose
}

/// Ends the running thread alone; its program ends with its last thread.
pub fn end_running_thread(cpu: &ThisCpu, status: u64) -> Next {
    if let Some(thread) = sched::forget_current(cpu) {
        let program = thread.program();
        // The last one to say so has the last word, should no other thread be left.
        let end = exited(program, &thread, cpu, status);
        program.life().last_exit = Some(end);
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
    end_program(cpu, program, end)
}

/// Ends the program of a thread that waits for somebody to handle its fault, and that the caller owns.
fn end_waiting(cpu: &ThisCpu, thread: Arc<Thread>) {
    EXIT_QUEUE.of(cpu).put::<Unhandled>(thread);
}

/// Ends the program of a thread whose handler did not reply in time, and that the caller owns.
fn end_unanswered(cpu: &ThisCpu, thread: Arc<Thread>) {
    EXIT_QUEUE.of(cpu).put::<TimedOut>(thread);
}

/// A thread is off every CPU and list for good: it is freed, and with the last one the program, when the handler is over.
#[inline(always)]
pub(super) fn thread_gone(cpu: &ThisCpu, thread: Arc<Thread>) {
    EXIT_QUEUE.of(cpu).put::<Gone>(thread);
}

/// Names ways to end: what ends, in which stage, by which of its links, and how.
macro_rules! ends {
    ($($(#[$note:meta])* $way:ident: $object:ty, $stage:ident, $link:expr => $run:expr;)*) => { $(
        $(#[$note])*
        struct $way;

        // SAFETY: the link is a link of the object, which waits by it for one end at a time: each way's note says why.
        unsafe impl End for $way {
            type Object = $object;
            type Cpu = ThisCpu;
            const STAGE: Stage = Stage::$stage;
            const LINK: usize = $link;

            fn run(object: Arc<$object>, cpu: &ThisCpu) {
                let run: fn(&ThisCpu, Arc<$object>) = $run;
                run(cpu, object);
            }
        }
    )* };
}

ends! {
    /// A thread is off every CPU and list for good. It has one owner, who puts it in.
    Gone: Thread, Thread, Thread::EXIT_LINK => leave_timers_or_free;
    /// A thread waits for a handler that will not reply: its program ends for the fault. It has one owner, who puts it in.
    Unhandled: Thread, Fault, Thread::EXIT_LINK => |cpu, thread| end_for_fault(cpu, thread, EndCause::Trap);
    /// A thread has waited for its handler for too long: its program ends. It has one owner, who puts it in.
    TimedOut: Thread, Fault, Thread::EXIT_LINK => |cpu, thread| end_for_fault(cpu, thread, EndCause::HandlerTimeout);
    /// A program's end is decided, which happens once: its threads are stopped.
    Stopping: Program, Stop, Program::STOP_LINK => |cpu, program| stop_threads(cpu, &program);
    /// A program has no threads any more, which happens once: it gives back what it has.
    Released: Program, Release, Program::RELEASE_LINK => give_back;
    /// A program that was released has given everything back: whoever started it is told.
    Reported: Program, Report, Program::RELEASE_LINK => report;
}

/// Frees a thread that is off every CPU and list, but perhaps not out of its timer list.
fn leave_timers_or_free(cpu: &ThisCpu, thread: Arc<Thread>) {
    if thread.is_timed() {
        // Only the CPU where it ran last may take it out of the timer list. There it comes here again.
        let _ = sched::wake(cpu, thread);
        return;
    }
    free_thread(cpu, thread);
}

/// Ends what a program without threads has. What closes with it closes before the program is reported.
fn give_back(cpu: &ThisCpu, program: Arc<Program>) {
    ipc::cancelled(&program);
    // Before any frame may become somebody else's.
    program.pinning_functions().stop(program.number());
    drop_removed(cpu, FOREST.end(program.capabilities()));
    EXIT_QUEUE.of(cpu).put::<Reported>(program);
}

/// Ends the program of a thread that waits for its fault to be handled.
fn end_for_fault(cpu: &ThisCpu, thread: Arc<Thread>, cause: EndCause) {
    let program = Arc::clone(thread.program());
    // SAFETY: it waited for its fault to be handled, and the caller has taken it from where it did.
    let fault = ipc::fault_message(&unsafe { OffCpu::new(&thread) });
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

/// Ends a program for a page of it that cannot be swapped in. The running thread may be one of its threads.
fn lose_page(cpu: &ThisCpu, program: &Arc<Program>, address: u64, loss: PageLoss) {
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

/// Decides how a program ends; its threads are stopped, wherever they are, when the handler is over. `false` if it is ending
/// already.
fn end_program(cpu: &ThisCpu, program: &Arc<Program>, end: ProgramEnd) -> bool {
    let decided = program.decide_end(end);
    if decided {
        EXIT_QUEUE.of(cpu).put::<Stopping>(Arc::clone(program));
    }
    decided
}

/// Stops all threads of a program whose end is decided.
fn stop_threads(cpu: &ThisCpu, program: &Arc<Program>) {
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
    program.for_each_cpu(|index| sched::stop_threads_on(cpu, index));
    // Those of this CPU go at once: the running one, those in its queue and its timer list.
    let _ = sched::reap(cpu);
}

/// Frees a thread, and with the last one the program.
fn free_thread(cpu: &ThisCpu, thread: Arc<Thread>) {
    let program = Arc::clone(thread.program());
    ipc::release_clients(cpu, &thread);
    ipc::handler::release(&thread);
    program.give_back_utcb(thread.utcb_slot());
    let was_last = program.remove_thread(&thread);
    drop(thread);
    if was_last {
        EXIT_QUEUE.of(cpu).put::<Released>(program);
    }
}

/// What is done when the first program has ended.
static FIRST_ENDED: Once<fn(&ProgramEnd) -> !> = Once::new();

/// Says what is done when the first program has ended; once, before it is started.
pub fn when_first_ends(then: fn(&ProgramEnd) -> !) {
    FIRST_ENDED.call_once(|| then);
}

#[cold]
fn first_ended(end: &ProgramEnd) -> ! {
    match FIRST_ENDED.get() {
        Some(then) => then(end),
        None => unreachable!("said before the first program is started"),
    }
}

/// A program has no threads and no capabilities any more: gives the memory back, then tells whoever started it.
fn report(cpu: &ThisCpu, program: Arc<Program>) {
    let space = program.space().take();
    let is_left = sched::wait_until_left(cpu, program.root());
    if !is_left {
        ipi::keep_back(space.as_ref().map_or(0, |space| space.size()));
        core::mem::forget(space);
    } else if let Some(mut space) = space {
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
        first_ended(&end);
    }
    let Some(parent) = parent else { return };
    let mut life = parent.life();
    life.children -= 1;
    #[expect(clippy::disallowed_methods, reason = "there has been room for it since the child began")]
    life.ended.push_back(end);
    let waiter = life.waiter.take();
    drop(life);
    if let Some(thread) = waiter {
        let _ = sched::wake(cpu, thread);
    }
}
