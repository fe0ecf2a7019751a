//! The handler of #MC, on its own stack, at any instant: what it takes of locks it gives up on when they are not free.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch::machine_check::{
    Action, BankStatus, Banks, MACHINE_CHECKS, MachineCheckEvent, Severity, action, are_broadcast, meet,
    physical_address,
};
use crate::arch::{Frame as TrapFrame, Origin, TrapFrame as _};
use crate::clock;
use crate::cpu::{self, Cpu};
use crate::memory::frame;

/// What becomes of the interrupted context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::entry) enum Outcome {
    /// It goes on.
    GoOn,
    /// Its program is shut down.
    EndProgram,
    /// The kernel cannot go on.
    Lockdown,
}

/// How long the CPUs have to come together: each needs some hundred instructions, and its host's attention. Nanoseconds.
const MEETING_DEADLINE: u64 = 1_000_000_000;

/// The highest bit of a bank's status; part of the error code even if no bank says anything.
const VALID: u64 = 1 << 63;

/// Held while a CPU reads and empties banks that others may share. Not a lock that is waited for: who does not get it in time
/// goes on without.
static CLAIM: AtomicBool = AtomicBool::new(false);

/// Handles the machine check that `frame` was interrupted by, on the CPU of `block`. The frame's error code becomes the status
/// of the worst bank. For the hardware it goes on until [`end_machine_check`](super::end_machine_check).
pub(in crate::entry) fn handle(block: Cpu, frame: &mut TrapFrame) -> Outcome {
    // Without banks there is nothing that could say that all is well.
    let Some(banks) = Banks::of_this_cpu() else { return Outcome::Lockdown };
    let state = MACHINE_CHECKS.of(block);
    let (recovery, global) = (banks.have_recovery(), banks.global_status());
    let (worst, event) = banks
        .events()
        .max_by_key(|(severity, _)| *severity)
        .unwrap_or((Severity::Nothing, MachineCheckEvent { global: global.0, ..MachineCheckEvent::default() }));
    if !global.is_in_progress() {
        // Not the hardware's. In a program it is a fault like others: the error code stays 0.
        return if frame.origin() == Origin::User { Outcome::EndProgram } else { Outcome::Lockdown };
    }
    let action = action(worst, global, recovery, frame.origin());
    if are_broadcast() && !come_together(block) {
        state.count_missed_meeting();
    }
    let over = deadline();
    let claimed = wait_for_claim(&over);
    for (severity, event) in banks.events() {
        state.count(severity);
        // What makes the kernel stop stays, for whoever looks at the machine afterwards.
        if action != Action::Lockdown {
            banks.clear(event.bank);
        }
    }
    if worst != Severity::Nothing {
        state.remember(&event);
        state.is_to_be_told(true);
    }
    if claimed {
        CLAIM.store(false, Ordering::Release);
    }
    frame.set_error_code(event.status | VALID);
    match action {
        Action::GoOn => Outcome::GoOn,
        Action::EndProgram => {
            state.count_contained();
            if let Some(address) = physical_address(BankStatus(event.status), event.address, event.misc) {
                frame::retire(address);
            }
            Outcome::EndProgram
        }
        Action::Lockdown => Outcome::Lockdown,
    }
}

/// Whether the time for a wait that begins now is over. Without a clock it is at once: then only one CPU runs.
fn deadline() -> impl Fn() -> bool {
    let clock = clock::try_clock();
    let end = clock.map(|clock| clock.now() + MEETING_DEADLINE);
    move || clock.zip(end).is_none_or(|(clock, end)| clock.now() > end)
}

/// Meets all CPUs that are online.
fn come_together(block: Cpu) -> bool {
    let online = cpu::all().iter().filter(|other| other.is_online());
    let counts = online.map(|other| &MACHINE_CHECKS.of(other).entered);
    meet(&MACHINE_CHECKS.of(block).entered, counts, deadline())
}

fn wait_for_claim(over: impl Fn() -> bool) -> bool {
    while CLAIM.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
        if over() {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}
