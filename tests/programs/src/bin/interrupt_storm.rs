//! A level line whose driver acknowledges and does nothing else; interrupts that nobody asked for; and spurious ones.
//!
//! The line is that of QEMU's device `edu`, active from the moment at which a register is written to until another one is.
//!
//! To be booted with time counted in instructions: otherwise it is up to the host how fast interrupts come.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, TestHook, rights};
use gatehouse_runtime::test_hook::test_hook;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::edu::{self, RAISE, silence, write};
use programs::raw::device::{
    acknowledge_interrupt, bind_interrupt, create_device_frame, create_interrupt, unbind_interrupt,
};
use programs::raw::message::copy_capability;
use programs::raw::notification::{create, poll, wait_for};
use programs::{check, child, cpus, enable_memory, find_function, ok};

entry!(run);

/// The lines of PCI devices: which of them is this one's, the firmware knows.
const LINES: core::ops::Range<u64> = 16..24;
/// Longer than an interrupt takes.
const PATIENCE: u64 = SECOND;

const BADGE: u64 = 0x40;
/// Interrupts that the kernel lets through before it takes a look at the clock.
const BATCH: u64 = 1000;
/// A vector that nobody has.
const UNUSED_VECTOR: u64 = 0x90;

/// The line of the device, unbound; it is not active.
fn find_line(marked: u64, notification: u64) -> u64 {
    for line in LINES {
        let Ok(interrupt) = create_interrupt(line) else { continue };
        check!(bind_interrupt(interrupt, marked) == Ok(0), "not bound");
        write(RAISE, 1);
        let is_told = wait_for(notification, PATIENCE / 10) == Ok(BADGE);
        silence();
        check!(unbind_interrupt(interrupt) == Ok(0), "not unbound");
        if is_told {
            return interrupt;
        }
        child::delete(&[interrupt]);
    }
    programs::wrong(file!(), format_args!("the device has none of the lines {LINES:?}"))
}

fn run(_: u64) -> u64 {
    let (device, _) = find_function(edu::IDENTITY);
    enable_memory(device);
    let registers = ok("registers", create_device_frame(device, 0, 0));
    edu::map(registers);
    let notification = ok("notification", create());
    let marked = ok("copy", copy_capability(notification, rights::SEND, BADGE, 0));
    let interrupt = find_line(marked, notification);
    let told = || {
        let bits = wait_for(notification, PATIENCE);
        check!(bits == Ok(BADGE), "no interrupt: {bits:?}");
    };
    check!(bind_interrupt(interrupt, marked) == Ok(0), "not bound");
    for round in 1..=3 {
        let (storms, here) = (storms(), device_interrupts());
        if round == 1 {
            write(RAISE, 1);
        } else {
            // Open again, and as active as before.
            check!(acknowledge_interrupt(interrupt) == Ok(0), "not opened again");
        }
        let mut served = 0;
        let refused = loop {
            told();
            served += 1;
            check!(served <= 2 * BATCH, "round {round}: {served} interrupts and no storm");
            match acknowledge_interrupt(interrupt) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        check!(refused == Error::Storm, "round {round}: {refused:?}");
        check!(storms_since(storms) == 1, "round {round}: {} storms", storms_since(storms));
        // The CPU is free, and the line quiet.
        let until_now = device_interrupts() - here;
        check!(until_now == served, "round {round}: {until_now} interrupts, {served} served");
        check!(poll(notification) == Err(Error::WouldBlock), "told of more");
        // Nothing tells that none comes: time for a hundred thousand.
        Kernel::sleep(SECOND / 10);
        check!(device_interrupts() - here == served, "the line is not masked");
    }
    check!(acknowledge_interrupt(interrupt) == Ok(0), "not opened again");
    // What should have been done at first: from now on one interrupt each time.
    told();
    silence();
    check!(acknowledge_interrupt(interrupt) == Ok(0), "refused after the storm");
    for _ in 0..2 {
        let before = device_interrupts();
        write(RAISE, 1);
        told();
        silence();
        check!(acknowledge_interrupt(interrupt) == Ok(0), "refused after the storm");
        check!(device_interrupts() - before == 1, "{} interrupts for one", device_interrupts() - before);
    }
    unexpected();
    spurious();
    child::delete(&[interrupt, notification, marked, registers, device]);
    println!("interrupt_storm: all cases hold on {} CPUs", cpus());
    0
}

fn storms() -> u64 {
    match Kernel::system_information() {
        Ok(information) => information.interrupt_storms,
        Err(error) => programs::wrong(file!(), format_args!("no information: {error:?}")),
    }
}

fn storms_since(before: u64) -> u64 {
    storms() - before
}

fn device_interrupts() -> u64 {
    match Kernel::cpu_information(0) {
        Ok(information) => information.device,
        Err(error) => programs::wrong(file!(), format_args!("no information: {error:?}")),
    }
}

/// Counted where they come, and otherwise without any effect.
fn unexpected() {
    let count = |cpu| Kernel::cpu_information(cpu).map(|information| information.unexpected_interrupts);
    let storms = storms();
    for cpu in 0..cpus() {
        let Ok(before) = count(cpu) else { programs::wrong(file!(), format_args!("no information of CPU {cpu}")) };
        // More than a batch on this CPU, one interrupt after the other.
        let times = if cpu == Kernel::cpu_number() { BATCH + 10 } else { 1 };
        for _ in 0..times {
            // SAFETY: the hook writes to no memory.
            let sent = unsafe { test_hook(TestHook::Interrupt, cpu << 32 | UNUSED_VECTOR) };
            check!(sent == Ok(0), "not sent to CPU {cpu}: {sent:?}");
        }
        let counted = wait_until(20 * SECOND, || count(cpu) == Ok(before + times));
        check!(counted, "CPU {cpu} counted {:?} after {before}, not {times} more", count(cpu));
    }
    check!(storms_since(storms) <= 1, "{} storms of one", storms_since(storms));
}

/// The local APIC's own: counted, and otherwise without any effect, whether it comes in the kernel or in ring 3.
fn spurious() {
    /// The vector, and how it is raised.
    const VECTOR: u64 = 255;
    let ways = [
        (TestHook::SpuriousInterrupt, 0),
        (TestHook::ExceptionInKernel, VECTOR),
        (TestHook::ExceptionInProgram, VECTOR),
    ];
    let look = |cpu| match Kernel::cpu_information(cpu) {
        Ok(information) => information,
        Err(error) => programs::wrong(file!(), format_args!("no information of CPU {cpu}: {error:?}")),
    };
    for cpu in 0..cpus() {
        check!(Kernel::move_to_cpu(cpu) == Ok(0), "CPU {cpu} cannot be reached");
        for (hook, argument) in ways {
            let before = look(cpu);
            // SAFETY: the hook writes to no memory.
            let raised = unsafe { test_hook(hook, argument) };
            check!(raised.is_ok(), "{hook:?} on CPU {cpu}: {raised:?}");
            let after = look(cpu);
            let spurious = after.spurious - before.spurious;
            check!(spurious == 1, "{hook:?} on CPU {cpu}: {spurious} spurious interrupts");
            check!(after.exceptions == before.exceptions, "{hook:?} on CPU {cpu}: an exception");
            check!(after.device == before.device, "{hook:?} on CPU {cpu}: a device");
            check!(after.unexpected_interrupts == before.unexpected_interrupts, "{hook:?} on CPU {cpu}: unexpected");
        }
        // None of them is in service: those of the timer, which are less urgent, come as before and end a sleep.
        Kernel::sleep(SECOND / 1000);
    }
    check!(Kernel::move_to_cpu(0) == Ok(0), "CPU 0 cannot be reached");
}
