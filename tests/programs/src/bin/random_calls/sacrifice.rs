//! The programs that make the calls, one for each CPU at any time.

use core::sync::atomic::Ordering;

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{Error, ProgramEnd, rights};
use gatehouse_runtime::entry_point::calls_made;
use gatehouse_runtime::time::{Deadline, MILLISECOND, SECOND};
use programs::raw::control::kill_program;
use programs::raw::message::{Suspended, copy_capability, create_endpoint};
use programs::raw::notification;
use programs::{check, child, delete, forget, start, wrong};

use crate::MAX_CPUS;
use crate::handler::{CLIENTS, Handler};

/// How long the whole may take.
const PATIENCE: u64 = 240 * SECOND;
/// A CPU that makes no call for so long gets another program.
const STUCK: u64 = 20 * MILLISECOND;

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    /// System calls of all CPUs.
    pub(crate) calls: u64,
    /// Programs that exited or were shut down.
    pub(crate) ended: u64,
    /// Programs that were killed, as their CPU made no calls.
    pub(crate) stuck: u64,
}

/// Lets programs make calls until each CPU has made so many.
pub(crate) fn until(
    calls: u64,
    seed: u64,
    cpus: u64,
    handler: &Handler,
    witnesses: &[Option<Suspended>; MAX_CPUS],
) -> Sum {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut running: [Option<Suspended>; MAX_CPUS] = [None; MAX_CPUS];
    let before: [u64; MAX_CPUS] = core::array::from_fn(|cpu| calls_on(cpu as u64, cpus));
    let own = calls_made();
    let mut last = before;
    let mut sum = Sum::default();
    let deadline = Deadline::after(PATIENCE);
    loop {
        for cpu in 0..cpus as usize {
            if running[cpu].is_none() {
                running[cpu] = Some(sacrifice(&mut random, cpu, handler, witnesses[cpu]));
            }
        }
        let look_again = Deadline::after(STUCK);
        while let Ok(Some(end)) = Kernel::wait_program(look_again.left()) {
            sum.ended += 1;
            bury(&mut running, &end);
        }
        let now: [u64; MAX_CPUS] = core::array::from_fn(|cpu| calls_on(cpu as u64, cpus));
        // This program runs on the first CPU, and its calls are none of those that are asked for.
        let own_now = calls_made();
        let own = own_now.syscall - own.syscall + own_now.int80 - own.int80;
        let made = |cpu: usize| (now[cpu] - before[cpu]).saturating_sub(if cpu == 0 { own } else { 0 });
        if (0..cpus as usize).all(|cpu| made(cpu) >= calls) {
            sum.calls = (0..cpus as usize).map(made).sum();
            break;
        }
        check!(!deadline.passed(), "seed {seed}: {now:?} calls, {before:?} before");
        for cpu in 0..cpus as usize {
            // This program's own calls, while it waits, are a few.
            let few = if cpu == 0 { 64 } else { 8 };
            if now[cpu] - last[cpu] < few
                && let Some(program) = running[cpu]
            {
                sum.stuck += u64::from(kill(program));
            }
        }
        last = now;
    }
    running.into_iter().flatten().for_each(|program| {
        kill(program);
    });
    while running.iter().any(Option::is_some) {
        match Kernel::wait_program(20 * SECOND) {
            Ok(Some(end)) => bury(&mut running, &end),
            other => wrong(file!(), format_args!("seed {seed}: a killed program does not end: {other:?}")),
        }
    }
    sum
}

/// System calls that a CPU has taken so far, by both entry points.
fn calls_on(cpu: u64, cpus: u64) -> u64 {
    if cpu >= cpus {
        return 0;
    }
    match Kernel::cpu_information(cpu) {
        Ok(information) => information.system_calls_syscall + information.system_calls_int80,
        Err(error) => wrong(file!(), format_args!("CPU {cpu}: {error:?}")),
    }
}

/// Kills a program; answers whether it was not ending already.
fn kill(program: Suspended) -> bool {
    match kill_program(program.program) {
        Ok(_) => true,
        Err(Error::Gone) => false,
        Err(error) => wrong(file!(), format_args!("not killed: {error:?}")),
    }
}

fn bury(running: &mut [Option<Suspended>; MAX_CPUS], end: &ProgramEnd) {
    let place = running.iter_mut().position(|program| program.is_some_and(|program| program.number == end.program));
    let Some(cpu) = place else { wrong(file!(), format_args!("a program ended that does not run: {end:x?}")) };
    CLIENTS[cpu].store(0, Ordering::Release);
    if let Some(program) = running[cpu].take() {
        forget(program);
    }
}

/// A program that makes random calls, with capabilities of all kinds. What it may do to a witness is to read it.
fn sacrifice(random: &mut fastrand::Rng, cpu: usize, handler: &Handler, witness: Option<Suspended>) -> Suspended {
    let program = child("random_caller", random.u64(..), cpu as u64);
    let give = |slot: u64, rights: u64| {
        let given = copy_capability(slot, rights, 0, program.program);
        check!(given.is_ok(), "slot {slot} is not given: {given:?}");
    };
    if let Some(witness) = witness {
        give(witness.program, rights::READ);
    }
    if let (Ok(endpoint), Ok(notification)) = (create_endpoint(), notification::create()) {
        for slot in [endpoint, notification] {
            give(slot, rights::ALL);
            give(slot, rights::SEND);
            give(slot, rights::RECEIVE);
            delete(slot);
        }
    }
    let bound = random.bool().then(|| handler.endpoint_for(cpu));
    CLIENTS[cpu].store(program.program, Ordering::Release);
    start(program, bound);
    if let Some(endpoint) = bound {
        // Bound as long as its slot stays: until the next program of this CPU.
        handler.keep(cpu, endpoint);
    }
    program
}
