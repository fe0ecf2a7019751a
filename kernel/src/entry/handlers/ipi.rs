//! Another CPU wants attention. An answer to one call takes the short way, which needs no stack, and all else the long one by a
//! jump.

use smp::call::Waiting;
use smp::ipi::Kinds;

use super::road::handle;
use crate::arch::{Frame as TrapFrame, vectors};
use crate::cpu;
use crate::entry::ipi;
use crate::entry::trap_main::{go_on, look_when_idle};
use crate::ipi::{CallRequest, answer_other_calls};
use crate::sched::Next;

pub(super) extern "C" fn ipi_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    let cpu = cpu::this();
    cpu.entries().count(usize::from(vectors::IPI));
    match ipi::ipi_of_calls(&cpu) {
        Ok(Waiting::Nothing) => go_on(&cpu, frame).unwrap_or_else(|| choose(frame)),
        Ok(Waiting::More) => calls_the_long_way(frame, None),
        Ok(Waiting::One(request)) => calls_the_long_way(frame, Some(request)),
        Err(kinds) => ipi_the_long_way(frame, kinds),
    }
}

/// The end of an interrupt on an idle CPU where somebody is ready.
#[inline(never)]
extern "C" fn choose(frame: *mut TrapFrame) -> *const TrapFrame {
    handle(frame, |_, _| Next::Choose)
}

/// The rest of an interrupt that has answered one call.
#[inline(never)]
fn calls_the_long_way(frame: *mut TrapFrame, refused: Option<CallRequest<'static>>) -> *const TrapFrame {
    handle(frame, |cpu, _| {
        answer_other_calls(cpu, refused);
        look_when_idle(cpu, Next::Stay)
    })
}

/// An interrupt of another CPU that has been counted and ended, and wants something else than answers to calls.
#[inline(never)]
fn ipi_the_long_way(frame: *mut TrapFrame, kinds: Kinds) -> *const TrapFrame {
    handle(frame, |cpu, frame| look_when_idle(cpu, ipi::ipi(cpu, kinds, frame)))
}
