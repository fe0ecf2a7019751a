//! Drivers that end while their device writes to their memory: QEMU's `edu`, which copies 100 ms after it was told to. Whoever gets
//! memory next finds zeros there and keeps them. To be run as the first program.
//!
//! Source: QEMU's documentation, "EDU device" (copies: source at 0x80, destination at 0x88, bytes at 0x90, command at 0x98; its own
//! memory at 0x40000).
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, Error, SLOT_ANY, SLOT_FIRST_FREE, SLOT_NONE, rights};
use gatehouse_runtime::memory::{Memory, PAGE_SIZE};
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::edu::{self, read, write};
use programs::raw::device::{create_device_frame, frame_address, read_configuration, write_configuration};
use programs::raw::frame;
use programs::raw::message::{copy_capability, delete_capability, move_capability};
use programs::{check, child, find_function, ok};

entry!(run);

/// Where the driver maps its frame.
const BUFFER: u64 = 0x7300_0000;

const COMMAND: u64 = 0x04;
const MEMORY_SPACE: u64 = 1 << 1;
const BUS_MASTER: u64 = 1 << 2;

const SOURCE: u64 = 0x80;
const DESTINATION: u64 = 0x88;
const BYTES: u64 = 0x90;
const COPY: u64 = 0x98;
/// In the command: begin; from the device to memory.
const BEGIN: u32 = 1;
const TO_MEMORY: u32 = 2;
/// The device's own memory.
const DEVICE_MEMORY: u64 = 0x4_0000;

/// What the driver fills its frame with.
const PATTERN: u64 = 0x5a5a_a5a5_5a5a_a5a5;
/// Longer than the device takes, by far.
const PATIENCE: u64 = 20 * SECOND;
/// How long its copy takes at least, and some more.
const COPY_TIME: u64 = 400 * MILLISECOND;
/// Memory that is taken behind the end, in pages.
const FRESH: u64 = 4096;

/// What the driver does: the argument of its instance.
const CRASHES: u64 = 1;
const EXITS: u64 = 2;
const DROPS_ITS_FRAME: u64 = 3;

fn copy(source: u64, destination: u64, command: u32) {
    for (register, address) in [(SOURCE, source), (DESTINATION, destination)] {
        write(register, address as u32);
        write(register + 4, (address >> 32) as u32);
    }
    write(BYTES, PAGE_SIZE as u32);
    write(COPY, command | BEGIN);
}

fn run(argument: u64) -> u64 {
    if argument == 0 { cases() } else { drive(argument) }
}

/// The driver: device and registers are its first capabilities, which whoever started it has put there.
fn drive(way: u64) -> u64 {
    let [device, registers] = [0, 1].map(|slot| SLOT_FIRST_FREE + slot);
    edu::map(registers);
    let buffer = ok("frame", frame::create());
    check!(frame::map(buffer, SLOT_NONE, BUFFER, rights::READ | rights::WRITE) == Ok(BUFFER), "not mapped");
    for word in 0..PAGE_SIZE / 8 {
        // SAFETY: mapped above, and nobody refers to it.
        unsafe { core::ptr::with_exposed_provenance_mut::<u64>((BUFFER + word * 8) as usize).write_volatile(PATTERN) };
    }
    let address = ok("address", frame_address(device, buffer));
    check!(frame_address(device, buffer) == Ok(address), "another address");
    check!(write_configuration(device, COMMAND, MEMORY_SPACE | BUS_MASTER) == Ok(0), "not a bus master");
    copy(address, DEVICE_MEMORY, 0);
    check!(wait_until(PATIENCE, || read(COPY) & BEGIN == 0), "the device does not read");
    copy(DEVICE_MEMORY, address, TO_MEMORY);
    match way {
        CRASHES => {
            // SAFETY: the end of the program is what is wanted.
            unsafe { core::arch::asm!("ud2", options(noreturn)) }
        }
        DROPS_ITS_FRAME => {
            // SAFETY: nobody refers to it.
            check!(unsafe { Kernel::unmap_memory(BUFFER, PAGE_SIZE) } == Ok(PAGE_SIZE), "not unmapped");
            check!(delete_capability(buffer).is_ok(), "not deleted");
            only_zeros("the driver's own memory");
            0
        }
        _ => 0,
    }
}

/// Takes memory, and sees that nothing but its owner ever writes there.
fn only_zeros(whose: &str) {
    let memory = ok("memory", Memory::map(FRESH * PAGE_SIZE));
    let words = || (memory.address()..memory.end()).step_by(8);
    for address in words() {
        // SAFETY: the pages are this function's own.
        unsafe { core::ptr::with_exposed_provenance_mut::<u64>(address as usize).write_volatile(0) };
    }
    // Nothing tells that the device writes nothing: time in which it would.
    Kernel::sleep(COPY_TIME);
    // SAFETY: as above.
    let value = |address: &u64| unsafe { core::ptr::with_exposed_provenance::<u64>(*address as usize).read_volatile() };
    let changed = words().filter(|address| value(address) != 0);
    check!(changed.clone().next().is_none(), "words of {whose} that a device has written: {}", changed.count());
}

fn cases() -> u64 {
    for way in [CRASHES, EXITS, DROPS_ITS_FRAME] {
        for moved in [false, true] {
            a_driver_ends(way, moved);
        }
    }
    frames_come_back();
    println!("driver_end: all cases hold");
    0
}

fn a_driver_ends(way: u64, moved: bool) {
    let (device, _) = find_function(edu::IDENTITY);
    let registers = ok("registers", create_device_frame(device, 0, 0));
    let driver = child::start("driver_end", way, 0);
    let given = if moved {
        move_capability(device, driver.program, SLOT_ANY)
    } else {
        copy_capability(device, rights::ALL, 0, driver.program)
    };
    check!(given.is_ok(), "not given: {given:?}");
    check!(copy_capability(registers, rights::ALL, 0, driver.program).is_ok(), "not given");
    child::resume(&driver);
    let end = child::end();
    let expected = if way == CRASHES { EndCause::Trap } else { EndCause::Exited };
    check!(end.cause == expected as u64 && end.status == 0, "way {way}: {end:x?}");
    only_zeros("the next owner's memory");
    child::forget(&driver);
    if !moved {
        let command = ok("command", read_configuration(device, COMMAND));
        check!(command & BUS_MASTER == 0, "way {way}: still a bus master: {command:#x}");
        child::delete(&[device]);
    }
    child::delete(&[registers]);
}

/// Frames that the function held are free when it is stopped, and when it is given up.
fn frames_come_back() {
    const FRAMES: usize = 200;
    let in_use = || ok("system", Kernel::system_information()).frames_in_use;
    let (device, _) = find_function(edu::IDENTITY);
    let pinned = |command| {
        for _ in 0..FRAMES {
            let memory = ok("frame", frame::create());
            check!(frame_address(device, memory).is_ok(), "no address");
            child::delete(&[memory]);
        }
        let held = in_use();
        check!(write_configuration(device, COMMAND, command) == Ok(0), "not written");
        (held, in_use())
    };
    let (held, after) = pinned(MEMORY_SPACE | BUS_MASTER);
    check!(after >= held, "frames are free though the function may write: {held}, then {after}");
    let (held, after) = pinned(MEMORY_SPACE);
    check!(
        held - after >= 2 * FRAMES as u64 - 64,
        "frames are not free though the function is stopped: {held}, then {after}"
    );
    let (held, after) = pinned(MEMORY_SPACE);
    check!(after >= held, "frames are free though the function can be let write: {held}, then {after}");
    child::delete(&[device]);
    let given_up = in_use();
    check!(held - given_up >= FRAMES as u64 - 64, "frames are not free with the function: {held}, then {given_up}");
    let (device, _) = find_function(edu::IDENTITY);
    check!(frame_address(device, device) == Err(Error::BadCapability), "a function is no frame");
    child::delete(&[device]);
}
