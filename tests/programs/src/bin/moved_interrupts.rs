//! Interrupts that move from CPU to CPU while they come: edges of the real-time clock, and messages and a level line of QEMU's device
//! `edu`. None is lost, none comes to another, and every vector comes back. And more interrupts than one CPU has vectors.
//!
//! Each of the devices interrupts again only when the one before was served. Beside them the messages of an NVMe controller, which
//! never come, have all vectors but a few: so those are given again and again.
//!
//! Source: Intel ICH9 data sheet, "PIRQ routing".
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gatehouse_runtime::abi::{Error, TestHook, rights};
use gatehouse_runtime::test_hook::test_hook;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND};
use gatehouse_runtime::{Kernel, entry, println};
use programs::edu::{self, RAISE};
use programs::raw::device::{
    acknowledge_interrupt, bind_interrupt, create_device, create_device_frame, create_interrupt, create_message,
    move_interrupt, read_configuration, unbind_interrupt,
};
use programs::raw::message::copy_capability;
use programs::raw::notification::{create, poll, wait_for};
use programs::real_time_clock::RealTimeClock;
use programs::waiting::{system_calls_on, until_so};
use programs::{NVME, check, child, cpus, enable_memory, find_function, ok};

entry!(run);

/// Vendor and device of the bridge to the ISA bus of QEMU's q35.
const ICH9: u64 = 0x2918_8086;
const ICH9_ADDRESS: u64 = 31 << 3;
/// Device vectors of a CPU, and how many stay free while interrupts move.
const VECTORS: u64 = 78;
const FREE: u64 = 3;
/// What the devices are marked with.
const BADGE: u64 = 0x40;
/// Interrupts that are served while they move.
const INTERRUPTS: u32 = 300;
/// After so many the interrupt is unbound and bound on another CPU.
const BINDING: u32 = 20;
const PATIENCE: u64 = 20 * SECOND;
/// How long a CPU is held with its interrupts off.
const HOLD: u64 = 50 * MILLISECOND;

static STOP: AtomicBool = AtomicBool::new(false);
/// System calls of the CPU that is held, before the one in which it is.
static CALLS: AtomicU64 = AtomicU64::new(u64::MAX);

/// A device that interrupts again when the interrupt before was served.
#[derive(Clone, Copy, Debug)]
struct Source {
    interrupt: u64,
    notification: u64,
    device: Device,
}

#[derive(Clone, Copy, Debug)]
enum Device {
    Clock(RealTimeClock),
    Edu,
}

impl Source {
    fn bind(self) {
        check!(bind_interrupt(self.interrupt, self.notification) == Ok(0), "{self:?} is not bound");
        self.silence();
    }

    fn unbind(self) {
        check!(unbind_interrupt(self.interrupt) == Ok(0), "{self:?} is not unbound");
        let _left = poll(self.notification);
    }

    /// Has it interrupt for a reason that is not 0; the clock does by itself.
    fn raise(self, reason: u32) {
        if matches!(self.device, Device::Edu) {
            edu::write(RAISE, reason);
        }
    }

    /// Answers what it interrupts for, and has it do so no more; the clock can then interrupt again.
    fn silence(self) -> u32 {
        match self.device {
            Device::Clock(clock) => u32::from(clock.clear()),
            Device::Edu => edu::silence(),
        }
    }

    /// Waits for the interrupt that was raised. It may be told of more often than it was raised, after it was moved.
    fn serve(self, reason: u32) {
        loop {
            let bits = wait_for(self.notification, PATIENCE);
            check!(bits == Ok(BADGE), "{self:?} was lost, {reason}: {bits:?}");
            let seen = self.silence();
            let acknowledged = acknowledge_interrupt(self.interrupt);
            // It was told of before it was bound anew.
            let is_old = acknowledged == Err(Error::WrongState);
            check!(acknowledged == Ok(0) || is_old, "{self:?} is not acknowledged: {acknowledged:?}");
            match self.device {
                Device::Edu if seen != 0 => {
                    check!(seen == reason, "{self:?} interrupted for {seen}, not {reason}");
                    return;
                }
                Device::Clock(_) if seen != 0 => return,
                _ => {}
            }
        }
    }

    fn move_to(self, cpu: u64) {
        let moved = move_interrupt(self.interrupt, cpu);
        check!(moved == Ok(0), "{self:?} does not move to CPU {cpu}: {moved:?}");
    }
}

fn run(_: u64) -> u64 {
    let vectors_before = vectors_in_use();
    let (device, address) = find_function(edu::IDENTITY);
    let registers = ok("registers", create_device_frame(device, 0, 0));
    enable_memory(device);
    edu::map(registers);
    let notification = ok("notification", create().and_then(|all| copy_capability(all, rights::ALL, BADGE, 0)));

    let (nvme, _) = find_function(NVME);
    let quiet = ok("notification", create());
    let (messages, first_message) = fill(nvme, quiet);

    let line = ok("line", create_interrupt(line(device, address >> 3)));
    let level = Source { interrupt: line, notification, device: Device::Edu };
    wanders(level);
    under_way_to_a_held_cpu(level);
    child::delete(&[line]);

    let message = ok("message", create_message(device, 0));
    let message = Source { interrupt: message, notification, device: Device::Edu };
    wanders(message);
    under_way_to_a_held_cpu(message);

    let clock = RealTimeClock::create();
    clock.start();
    wanders(Source { interrupt: clock.interrupt, notification, device: Device::Clock(clock) });
    clock.stop();

    no_vector_is_left(nvme, messages, quiet, message);
    check!(poll(quiet) == Err(Error::WouldBlock), "an interrupt came to another");
    child::delete(&[message.interrupt, clock.interrupt, clock.ports, clock.notification]);
    (0..messages).for_each(|number| child::delete(&[first_message + number]));
    check!(vectors_in_use() == vectors_before, "{} vectors are in use, not {vectors_before}", vectors_in_use());
    println!("moved_interrupts: all cases hold on {} CPUs", cpus());
    0
}

/// Moves an interrupt from CPU to CPU until it is told to stop.
fn move_about(interrupt: u64) -> u64 {
    let mut moves = 0_u64;
    while !STOP.load(Ordering::Relaxed) {
        match move_interrupt(interrupt, moves % cpus()) {
            // It is being bound anew.
            Ok(_) | Err(Error::WrongState) => moves += 1,
            Err(error) => programs::wrong(file!(), format_args!("not moved: {error:?}")),
        }
        if moves.is_multiple_of(8) {
            // So that interrupts come between moves, too.
            Kernel::sleep(MILLISECOND / 10);
        }
    }
    0
}

/// It is served while another thread moves it, and bound on one CPU after the other.
fn wanders(source: Source) {
    source.bind();
    STOP.store(false, Ordering::Relaxed);
    let mover = Thread::spawn(move_about, source.interrupt, cpus() - 1);
    let Ok(mover) = mover else { programs::wrong(file!(), format_args!("no thread: {mover:?}")) };
    for number in 1..=INTERRUPTS {
        source.raise(number);
        if number.is_multiple_of(3) {
            source.move_to(u64::from(number) % cpus());
        }
        source.serve(number);
        if number.is_multiple_of(BINDING) {
            source.unbind();
            let cpu = u64::from(number / BINDING) % cpus();
            check!(Kernel::move_to_cpu(cpu) == Ok(0), "CPU {cpu} cannot be reached");
            source.bind();
        } else if number.is_multiple_of(BINDING / 2) {
            // Another driver of the same, in the place of the first.
            source.bind();
        }
    }
    STOP.store(true, Ordering::Relaxed);
    let moves = mover.join(PATIENCE);
    check!(moves.is_some(), "the mover does not end");
    source.unbind();
    check!(Kernel::move_to_cpu(0) == Ok(0), "CPU 0 cannot be reached");
}

fn hold(_: u64) -> u64 {
    CALLS.store(system_calls_on(cpus() - 1), Ordering::Release);
    // SAFETY: the hook writes to no memory.
    u64::from(unsafe { test_hook(TestHook::Hold, HOLD) } != Ok(0))
}

/// It waits at a CPU that takes no interrupts when it is moved: it is told. And when it is unbound: it is not.
fn under_way_to_a_held_cpu(source: Source) {
    let last = cpus() - 1;
    if last == 0 {
        return;
    }
    for unbinds in [false, true] {
        source.bind();
        source.move_to(last);
        // A move is told of, unless the acknowledgement before has taken that: some time for it to come.
        Kernel::sleep(MILLISECOND);
        while poll(source.notification) == Ok(BADGE) {
            check!(acknowledge_interrupt(source.interrupt) == Ok(0), "{source:?} is not acknowledged");
        }
        let vectors = device_vectors(last);
        CALLS.store(u64::MAX, Ordering::Relaxed);
        let holder = Thread::spawn(hold, 0, last);
        let Ok(holder) = holder else { programs::wrong(file!(), format_args!("no thread: {holder:?}")) };
        // Its next call is the one that does not come back soon.
        until_so("held", || system_calls_on(last) > CALLS.load(Ordering::Acquire));
        source.raise(1);
        if unbinds {
            source.unbind();
        } else {
            source.move_to(0);
            source.serve(1);
        }
        check!(holder.join(PATIENCE) == Some(0), "CPU {last} was not held");
        until_so("one vector less in use", || device_vectors(last) == vectors - 1);
        if unbinds {
            check!(poll(source.notification) == Err(Error::WouldBlock), "{source:?} was told of when unbound");
            source.silence();
        } else {
            source.unbind();
        }
    }
}

/// Binds messages on every CPU until [`FREE`] vectors are left there; answers how many, and the slot of the first. The others' follow.
fn fill(nvme: u64, quiet: u64) -> (u64, u64) {
    let (mut number, mut first) = (0, 0);
    for cpu in 0..cpus() {
        check!(Kernel::move_to_cpu(cpu) == Ok(0), "CPU {cpu} cannot be reached");
        while device_vectors(cpu) < VECTORS - FREE {
            let message = ok("message", create_message(nvme, number));
            if number == 0 {
                first = message;
            }
            check!(message == first + number, "slot {message} for message {number}");
            check!(bind_interrupt(message, quiet) == Ok(0), "message {number} is not bound");
            number += 1;
        }
    }
    check!(Kernel::move_to_cpu(0) == Ok(0), "CPU 0 cannot be reached");
    check!(number == cpus() * (VECTORS - FREE), "{number} messages");
    (number, first)
}

/// The last vectors of CPU 0 are taken: what is bound or moved there then is refused, and works where it is.
fn no_vector_is_left(nvme: u64, messages: u64, quiet: u64, message: Source) {
    let more = [0, 1, 2].map(|number| ok("message", create_message(nvme, messages + number)));
    if cpus() > 1 {
        check!(Kernel::move_to_cpu(1) == Ok(0), "CPU 1 cannot be reached");
        message.bind();
        check!(Kernel::move_to_cpu(0) == Ok(0), "CPU 0 cannot be reached");
    }
    for interrupt in more {
        check!(bind_interrupt(interrupt, quiet) == Ok(0), "not bound");
    }
    check!(device_vectors(0) == VECTORS, "{} vectors are in use", device_vectors(0));
    if cpus() > 1 {
        check!(move_interrupt(message.interrupt, 0) == Err(Error::NoVector), "moved to a vector that is not there");
        message.raise(7);
        message.serve(7);
        check!(move_interrupt(more[0], 1) == Ok(0), "not moved");
        // It was told of that.
        check!(wait_for(quiet, PATIENCE).is_ok() && acknowledge_interrupt(more[0]) == Ok(0), "not told");
        message.move_to(0);
        message.raise(8);
        message.serve(8);
        message.unbind();
    } else {
        check!(bind_interrupt(message.interrupt, quiet) == Err(Error::NoVector), "bound to a vector that is not there");
        // In its place nothing is needed.
        check!(bind_interrupt(more[0], quiet) == Ok(0), "not bound again");
    }
    child::delete(&more);
    check!(device_vectors(0) == VECTORS - FREE, "{} vectors are in use", device_vectors(0));
}

fn device_vectors(cpu: u64) -> u64 {
    match Kernel::cpu_information(cpu) {
        Ok(information) => information.device_vectors,
        Err(error) => programs::wrong(file!(), format_args!("no information: {error:?}")),
    }
}

fn vectors_in_use() -> u64 {
    (0..cpus()).map(device_vectors).sum()
}

/// The global system interrupt of a function's line, or the number on the ISA bus where the firmware has connected it to that.
fn line(device: u64, slot: u64) -> u64 {
    let on_q35 = create_device(ICH9_ADDRESS).is_ok_and(|bridge| {
        let identity = read_configuration(bridge, 0);
        child::delete(&[bridge]);
        identity == Ok(ICH9)
    });
    let register = ok("interrupt line", read_configuration(device, 0x3c));
    if !on_q35 {
        return register & 0xff;
    }
    let pin = (register >> 8 & 0xff) - 1;
    // PIRQ E to H, in turn.
    20 + (slot + pin) % 4
}
