//! A driver outside the kernel: the real-time clock, by its ports and its interrupt, on every CPU.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, SLOT_DEVICE_CONTROL, SLOT_FIRST_FREE, SystemCall, rights};
use gatehouse_runtime::entry_point::{EntryPoint, Syscall};
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::kill_program;
use programs::raw::device::{
    acknowledge_interrupt, bind_interrupt, create_interrupt, create_ports, read_port, unbind_interrupt, write_port,
};
use programs::raw::message::copy_capability;
use programs::raw::notification::{poll, wait_for};
use programs::real_time_clock::{DATA, INDEX, LINE, RealTimeClock};
use programs::{check, child, cpus};

entry!(run);

/// What the notification is marked with.
const BADGE: u64 = 0x100;
/// Interrupts that are handled on each CPU.
const INTERRUPTS: u64 = 40;

/// What a second instance does: handles interrupts until it is killed.
const DRIVE: u64 = 1;

/// Waits for an interrupt and makes the device ready for the next. Answers whether the device says that it interrupted:
/// an edge that came while the line was masked may be delivered when it is opened, though it was handled since.
fn wait(clock: RealTimeClock) -> bool {
    let bits = wait_for(clock.notification, 10 * SECOND);
    check!(bits == Ok(BADGE), "no interrupt: {bits:?}");
    clock.clear()
}

fn run(argument: u64) -> u64 {
    match argument {
        DRIVE => drive(),
        _ => cases(),
    }
}

fn drive() -> u64 {
    let [ports, interrupt, notification, marked] = [0, 1, 2, 3].map(|slot| SLOT_FIRST_FREE + slot);
    let clock = RealTimeClock { ports, interrupt, notification };
    check!(bind_interrupt(interrupt, marked) == Ok(0), "not bound");
    clock.start();
    loop {
        let _is_real = wait(clock);
        check!(acknowledge_interrupt(interrupt) == Ok(0), "not acknowledged");
    }
}

fn cases() -> u64 {
    let clock = RealTimeClock::create();
    let RealTimeClock { ports, interrupt, notification } = clock;
    let marked = copy_capability(notification, rights::SEND | rights::GRANT, BADGE, 0);
    let Ok(marked) = marked else { programs::wrong(file!(), format_args!("no copy: {marked:?}")) };
    wrong_arguments(clock);
    for cpu in 0..cpus() {
        check!(Kernel::move_to_cpu(cpu) == Ok(0), "CPU {cpu} cannot be reached");
        interrupts_come_here(clock, marked, cpu);
        nothing_comes_until_it_is_acknowledged(clock, marked);
    }
    a_driver_is_killed(clock, marked);
    child::delete(&[ports, interrupt, notification, marked]);
    // Its last capability is gone: the line is free again.
    let again = create_interrupt(LINE);
    let Ok(again) = again else { programs::wrong(file!(), format_args!("the line is not free: {again:?}")) };
    child::delete(&[again]);
    println!("interrupts: all cases hold on {} CPUs", cpus());
    0
}

fn device_interrupts(cpu: u64) -> u64 {
    match Kernel::cpu_information(cpu) {
        Ok(information) => information.device,
        Err(error) => programs::wrong(file!(), format_args!("no information: {error:?}")),
    }
}

fn start(clock: RealTimeClock, marked: u64) {
    check!(bind_interrupt(clock.interrupt, marked) == Ok(0), "not bound");
    clock.clear();
    clock.start();
}

fn stop(clock: RealTimeClock) {
    clock.stop();
    check!(unbind_interrupt(clock.interrupt) == Ok(0), "not unbound");
    clock.clear();
    let _left = poll(clock.notification);
}

fn interrupts_come_here(clock: RealTimeClock, marked: u64, cpu: u64) {
    let before = device_interrupts(cpu);
    start(clock, marked);
    let (mut real, mut others) = (0, 0);
    while real < INTERRUPTS {
        if wait(clock) {
            real += 1
        } else {
            others += 1
        }
        check!(acknowledge_interrupt(clock.interrupt) == Ok(0), "not acknowledged");
    }
    stop(clock);
    let came = device_interrupts(cpu) - before;
    check!(came >= INTERRUPTS, "{came} device interrupts on CPU {cpu}");
    check!(others <= INTERRUPTS / 4, "{others} interrupts without a reason");
    check!(acknowledge_interrupt(clock.interrupt) == Err(Error::WrongState), "acknowledged when unbound");
}

fn nothing_comes_until_it_is_acknowledged(clock: RealTimeClock, marked: u64) {
    start(clock, marked);
    let _is_real = wait(clock);
    // The next comes, and is kept; nothing tells of it, so there is time for several.
    for _ in 0..20 {
        Kernel::sleep(SECOND / 1000);
        clock.clear();
    }
    check!(poll(clock.notification) == Err(Error::WouldBlock), "told twice without an acknowledgement");
    check!(acknowledge_interrupt(clock.interrupt) == Ok(0), "not acknowledged");
    check!(poll(clock.notification) == Ok(BADGE), "what came meanwhile was lost");
    stop(clock);
}

/// In the middle of everything. The interrupt itself is held by this program, too, and masked by it.
fn a_driver_is_killed(clock: RealTimeClock, marked: u64) {
    let driver = child::start("interrupts", DRIVE, cpus() - 1);
    for slot in [clock.ports, clock.interrupt, clock.notification, marked] {
        check!(copy_capability(slot, rights::ALL, 0, driver.program).is_ok(), "not given");
    }
    child::resume(&driver);
    // The time is the subject: wherever the driver is by then.
    Kernel::sleep(SECOND / 20);
    check!(kill_program(driver.program) == Ok(0), "not killed");
    let end = child::end();
    check!(end.program == driver.number, "{end:x?}");
    child::forget(&driver);
    stop(clock);
}

fn wrong_arguments(clock: RealTimeClock) {
    check!(create_interrupt(LINE) == Err(Error::WrongState), "the line was given away twice");
    for line in [1 << 10, 1 << 32, u64::MAX] {
        check!(create_interrupt(line) == Err(Error::NotFound), "line {line}");
    }
    for (first, count) in [(0x20, 1), (0x3f0, 9), (0xe0, 16), (0xf0, 8), (0xffff, 2), (0x70, 0), (0, u64::MAX)] {
        check!(create_ports(first, count) == Err(Error::InvalidArgument), "{count} ports from {first:#x}");
    }
    for port in [INDEX - 1, DATA + 1, 0, 0xffff] {
        check!(read_port(clock.ports, port) == Err(Error::InvalidArgument), "read port {port:#x}");
        check!(write_port(clock.ports, port, 0) == Err(Error::InvalidArgument), "wrote port {port:#x}");
    }
    for bytes in [0, 3, 4, 8, u64::MAX] {
        // SAFETY: the kernel writes to no memory of the program.
        let answer = unsafe { Syscall::call(SystemCall::ReadPort, [clock.ports, 0x70, bytes, 0, 0, 0]) };
        check!(Error::from_register(answer) == Err(Error::InvalidArgument), "read {bytes} bytes");
    }
    let readable = copy_capability(clock.ports, rights::READ, 0, 0);
    let Ok(readable) = readable else { programs::wrong(file!(), format_args!("{readable:?}")) };
    check!(write_port(readable, INDEX, 0) == Err(Error::NoRight), "wrote without the right");
    check!(read_port(readable, INDEX).is_ok(), "not read");
    check!(read_port(clock.interrupt, INDEX) == Err(Error::BadCapability), "an interrupt is no port");
    check!(bind_interrupt(clock.interrupt, clock.ports) == Err(Error::BadCapability), "ports are no notification");
    check!(bind_interrupt(clock.ports, clock.notification) == Err(Error::BadCapability), "ports are no interrupt");
    check!(acknowledge_interrupt(clock.interrupt) == Err(Error::WrongState), "acknowledged when unbound");
    let weak = copy_capability(SLOT_DEVICE_CONTROL, rights::ALL & !rights::CONTROL, 0, 0);
    let Ok(weak) = weak else { programs::wrong(file!(), format_args!("{weak:?}")) };
    // SAFETY: the kernel writes to no memory of the program.
    let answer = unsafe { Syscall::call(SystemCall::CreateInterrupt, [weak, 9, 0, 0, 0, 0]) };
    check!(Error::from_register(answer) == Err(Error::NoRight), "made an interrupt without the right");
    child::delete(&[readable, weak]);
}
