//! A driver outside the kernel for a PCI device that interrupts by messages: QEMU's `edu`, a device for teaching.
//!
//! This program is the first. It finds the device, tries the calls, and hands it to another program, the driver: that one gets
//! the capabilities of the device's registers, its message and a notification, and nothing else.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, SLOT_FIRST_FREE, rights};
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::edu::{
    self, ACKNOWLEDGE, DONE, FACTORIAL, IDENTIFICATION, IDENTIFICATION_MARK, INTERRUPT_WHEN_DONE, LIVENESS, RAISE,
    REGISTERS, STATUS, read, write,
};
use programs::raw::device::{
    acknowledge_interrupt, bind_interrupt, create_device, create_device_frame, create_message, frame_address,
    move_interrupt, read_configuration, unbind_interrupt, write_configuration,
};
use programs::raw::frame;
use programs::raw::message::copy_capability;
use programs::raw::notification::{create, poll, wait_for};
use programs::{check, child, cpus, enable_memory, find_function, ok};

entry!(run);

const BADGE: u64 = 0x1000;
/// Interrupts on each CPU, and while the interrupt wanders.
const INTERRUPTS: u32 = 40;
const WANDERINGS: u32 = 300;
/// What the driver computes: 10!.
const NUMBER: u32 = 10;
const RESULT: u64 = 3_628_800;

/// Argument of the second instance.
const DRIVE: u64 = 1;

/// Waits for the interrupt that was raised. It may be told of more often than it was raised, after it was moved.
fn serve(interrupt: u64, notification: u64, reason: u32) {
    loop {
        let bits = wait_for(notification, 20 * SECOND);
        check!(bits == Ok(BADGE), "no interrupt for {reason:#x}: {bits:?}");
        let seen = edu::silence();
        check!(acknowledge_interrupt(interrupt) == Ok(0), "not acknowledged");
        if seen != 0 {
            check!(seen == reason, "interrupted for {seen:#x}, not {reason:#x}");
            return;
        }
    }
}

fn run(argument: u64) -> u64 {
    match argument {
        DRIVE => drive(),
        _ => cases(),
    }
}

/// The driver: its capabilities are where the first program has put them.
fn drive() -> u64 {
    let [registers, interrupt, notification] = [0, 1, 2].map(|slot| SLOT_FIRST_FREE + slot);
    edu::map(registers);
    check!(bind_interrupt(interrupt, notification) == Ok(0), "not bound");
    write(STATUS, INTERRUPT_WHEN_DONE);
    write(FACTORIAL, NUMBER);
    serve(interrupt, notification, DONE);
    write(STATUS, 0);
    u64::from(read(FACTORIAL))
}

fn cases() -> u64 {
    let (device, address) = find_function(edu::IDENTITY);
    check!(create_device(address) == Err(Error::WrongState), "the function was given away twice");
    let registers = ok("registers", create_device_frame(device, 0, 0));
    wrong_arguments(device, registers);
    enable_memory(device);
    edu::map(registers);
    check!(read(IDENTIFICATION) & 0xff == IDENTIFICATION_MARK, "identification {:#x}", read(IDENTIFICATION));
    write(LIVENESS, 0x1234_5678);
    check!(read(LIVENESS) == !0x1234_5678, "liveness {:#x}", read(LIVENESS));
    the_kernel_does_not_touch_registers();

    let interrupt = ok("message", create_message(device, 0));
    check!(create_message(device, 0) == Err(Error::WrongState), "the message was given away twice");
    check!(create_message(device, 1) == Err(Error::NotFound), "a message that is not there");
    check!(move_interrupt(interrupt, 0) == Err(Error::WrongState), "moved when unbound");
    let notification = ok("notification", create().and_then(|all| copy_capability(all, rights::ALL, BADGE, 0)));
    check!(bind_interrupt(interrupt, notification) == Ok(0), "not bound");
    check!(move_interrupt(interrupt, cpus()) == Err(Error::NoSuchCpu), "moved to a CPU that is not there");
    check!(move_interrupt(notification, 0) == Err(Error::BadCapability), "a notification is no interrupt");

    for cpu in 0..cpus() {
        interrupts_come_to(interrupt, notification, cpu);
    }
    wandering(interrupt, notification);
    check!(unbind_interrupt(interrupt) == Ok(0), "not unbound");
    let _left = poll(notification);
    write(RAISE, 2);
    check!(poll(notification) == Err(Error::WouldBlock), "told when unbound");
    write(ACKNOWLEDGE, 2);

    for _ in 0..3 {
        a_driver_of_its_own(registers, interrupt, notification);
    }
    // SAFETY: nobody refers to the registers any more.
    let unmapped = unsafe { Kernel::unmap_memory(REGISTERS, 4096) };
    check!(unmapped == Ok(4096), "not unmapped: {unmapped:?}");
    child::delete(&[interrupt, registers, device]);
    // All that kept the function is gone.
    child::delete(&[find_function(edu::IDENTITY).0]);
    println!("message_interrupts: all cases hold on {} CPUs", cpus());
    0
}

fn wrong_arguments(device: u64, registers: u64) {
    check!(create_device(1 << 16) == Err(Error::NotFound), "a function that cannot be");
    for register in [2, 256, u64::MAX] {
        check!(read_configuration(device, register) == Err(Error::InvalidArgument), "read register {register:#x}");
        check!(write_configuration(device, register, 0) == Err(Error::InvalidArgument), "wrote register {register:#x}");
    }
    // Identity, address, and the capability that says where messages go.
    let capability = read_configuration(device, 0x34).map_or(0, |word| word & 0xff);
    check!(read_configuration(device, capability).is_ok_and(|word| word & 0xff == 5), "no MSI at {capability:#x}");
    for register in [0, 0x10, capability, capability + 4, capability + 8] {
        check!(write_configuration(device, register, 0) == Err(Error::NotPermitted), "wrote register {register:#x}");
    }
    check!(create_device_frame(device, 0, 256) == Err(Error::NotFound), "a page behind the region");
    check!(create_device_frame(device, 1, 0) == Err(Error::NotFound), "a region that is not there");
    check!(create_device_frame(device, 0, u64::MAX) == Err(Error::NotFound), "a page that cannot be");
    check!(create_device_frame(registers, 0, 0) == Err(Error::BadCapability), "a frame is no device");
    let weak = ok("weak copy", copy_capability(device, rights::READ, 0, 0));
    check!(read_configuration(weak, 0) == Ok(edu::IDENTITY), "not read");
    check!(write_configuration(weak, 0x04, 0) == Err(Error::NoRight), "wrote without the right");
    check!(create_device_frame(weak, 0, 0) == Err(Error::NoRight), "a frame without the right");
    check!(create_message(weak, 0) == Err(Error::NoRight), "a message without the right");
    let memory = ok("memory", frame::create());
    check!(frame_address(weak, memory) == Err(Error::NoRight), "an address without the right");
    let address = ok("address", frame_address(device, memory));
    check!(address != 0 && address.is_multiple_of(4096), "address {address:#x}");
    check!(frame_address(device, registers) == Err(Error::InvalidArgument), "registers are no memory");
    check!(frame::copy(registers) == Err(Error::InvalidArgument), "registers were copied");
    child::delete(&[weak, memory]);
}

/// A buffer there is refused: the kernel reaches memory by a map of its own, in which devices are not.
fn the_kernel_does_not_touch_registers() {
    // SAFETY: not read by this program; what the kernel does with it is the case.
    let text = unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance::<u8>(REGISTERS as usize), 16) };
    check!(Kernel::debug_write(text) == Err(Error::BadAddress), "the kernel read registers");
}

fn device_interrupts(cpu: u64) -> u64 {
    match Kernel::cpu_information(cpu) {
        Ok(information) => information.device,
        Err(error) => programs::wrong(file!(), format_args!("no information: {error:?}")),
    }
}

fn interrupts_come_to(interrupt: u64, notification: u64, cpu: u64) {
    check!(move_interrupt(interrupt, cpu) == Ok(0), "not moved to CPU {cpu}");
    // The move is told of; an interrupt that came before its acknowledgement would be told of without coming again.
    // Whether it is told of depends on what came before, so there is time for it, and nothing to wait for.
    Kernel::sleep(SECOND / 100);
    while poll(notification) == Ok(BADGE) {
        check!(acknowledge_interrupt(interrupt) == Ok(0), "not acknowledged");
    }
    let before = device_interrupts(cpu);
    for number in 1..=INTERRUPTS {
        write(RAISE, number << 4);
        serve(interrupt, notification, number << 4);
    }
    let came = device_interrupts(cpu) - before;
    check!(came >= u64::from(INTERRUPTS) / 2, "{came} device interrupts on CPU {cpu}");
}

/// The interrupt moves on while it is under way: each one that is raised is told of.
fn wandering(interrupt: u64, notification: u64) {
    for number in 1..=WANDERINGS {
        write(RAISE, number);
        check!(move_interrupt(interrupt, u64::from(number) % cpus()) == Ok(0), "not moved");
        serve(interrupt, notification, number);
    }
}

/// Another program drives the device. Its end masks nothing that others hold, so the binding goes by hand.
fn a_driver_of_its_own(registers: u64, interrupt: u64, notification: u64) {
    let driver = child::start("message_interrupts", DRIVE, cpus() - 1);
    for slot in [registers, interrupt, notification] {
        check!(copy_capability(slot, rights::ALL, 0, driver.program).is_ok(), "not given");
    }
    child::resume(&driver);
    let end = child::end();
    check!(end.program == driver.number && end.status == RESULT, "{end:x?}");
    child::forget(&driver);
    check!(unbind_interrupt(interrupt) == Ok(0), "not unbound");
    let _left = poll(notification);
}
