//! Frames that programs share: what one writes the other reads, with no more rights than were given, until the last
//! reference goes.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{EndCause, Error, SLOT_FIRST_FREE, SLOT_OWN_PROGRAM, TrapNumber, UTCB_BASE, rights};
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::control::kill_program;
use programs::raw::debugger::patch_memory;
use programs::raw::frame::{copy, create, map, unmap_from};
use programs::raw::message::{copy_capability, read_memory};
use programs::raw::notification::{self, signal, wait_for};
use programs::{check, child, cpus};

entry!(run);

/// Where frames are mapped.
const PAGE: u64 = 0x5000_0000;
const BYTES: u64 = 4096;
const READ_WRITE: u64 = rights::READ | rights::WRITE;

/// What a second instance does with the page that was mapped for it.
const ADD: u64 = 1;
const STORE: u64 = 2;
const MAP_ITSELF: u64 = 3;
const SPIN: u64 = 4;

/// Additions of each program.
const ADDITIONS: u64 = 20_000;

fn run(argument: u64) -> u64 {
    match argument {
        ADD => {
            add(PAGE);
            0
        }
        STORE => {
            word(PAGE).store(1, Ordering::Relaxed);
            0
        }
        MAP_ITSELF => {
            let mapped = map(SLOT_FIRST_FREE, 0, PAGE, rights::READ);
            let refused = map(SLOT_FIRST_FREE, 0, PAGE + BYTES, READ_WRITE);
            if mapped == Ok(PAGE) && refused == Err(Error::NoRight) { word(PAGE).load(Ordering::Relaxed) } else { 1000 }
        }
        SPIN => loop {
            if word(PAGE).load(Ordering::Relaxed) != 0 && signal(SLOT_FIRST_FREE) != Ok(0) {
                return 1;
            }
        },
        _ => cases(),
    }
}

fn word(address: u64) -> &'static AtomicU64 {
    // SAFETY: callers have mapped a frame there, or end if they have not; others use it by atomic accesses only.
    unsafe { &*(address as *const AtomicU64) }
}

fn add(address: u64) {
    for _ in 0..ADDITIONS {
        word(address).fetch_add(1, Ordering::Relaxed);
    }
}

fn cases() -> u64 {
    let in_use = || Kernel::system_information().map_or((0, 0), |system| (system.frames_in_use, system.programs));
    let before = in_use();
    for cpu in 0..cpus() {
        both_add(cpu);
        rights_are_kept(cpu);
        it_is_taken_away_while_it_is_used(cpu);
        mappings_keep_the_frame(cpu);
    }
    a_copy_is_another_frame();
    wrong_arguments();
    // The tables of the page's own region stay with the program.
    const TABLES: u64 = 2;
    check!(
        wait_until(2 * SECOND, || in_use().0 <= before.0 + TABLES && in_use().1 == before.1),
        "{before:?} before, {:?} after",
        in_use()
    );
    the_quota_comes_back();
    println!("frames: all cases hold on {} CPUs", cpus());
    0
}

fn frame() -> u64 {
    match create() {
        Ok(frame) => frame,
        Err(error) => programs::wrong(file!(), format_args!("no frame: {error:?}")),
    }
}

fn limited(slot: u64, rights: u64) -> u64 {
    match copy_capability(slot, rights, 0, 0) {
        Ok(copy) => copy,
        Err(error) => programs::wrong(file!(), format_args!("no copy: {error:?}")),
    }
}

fn unmap(address: u64) {
    // SAFETY: nothing keeps a reference into the page over the call.
    let unmapped = unsafe { Kernel::unmap_memory(address, BYTES) };
    check!(unmapped == Ok(BYTES), "{unmapped:?}");
}

/// Two programs and the parent add to the same word, on the same frame at different addresses.
fn both_add(cpu: u64) {
    let frame = frame();
    check!(map(frame, 0, PAGE + BYTES, READ_WRITE) == Ok(PAGE + BYTES), "not mapped");
    check!(word(PAGE + BYTES).load(Ordering::Relaxed) == 0, "a frame that is not zero");
    let children = [cpu, (cpu + 1) % cpus()].map(|cpu| child::start("frames", ADD, cpu));
    for child in &children {
        check!(map(frame, child.program, PAGE, READ_WRITE) == Ok(PAGE), "not mapped");
        child::resume(child);
    }
    add(PAGE + BYTES);
    for _ in &children {
        check!(child::exit() == 0, "another status");
    }
    children.iter().for_each(child::forget);
    let sum = word(PAGE + BYTES).load(Ordering::Relaxed);
    check!(sum == 3 * ADDITIONS, "{sum}");
    unmap(PAGE + BYTES);
    child::delete(&[frame]);
}

fn rights_are_kept(cpu: u64) {
    let frame = frame();
    let readable = limited(frame, rights::READ | rights::GRANT);
    check!(map(readable, 0, PAGE, READ_WRITE) == Err(Error::NoRight), "mapped to write without the right");
    check!(map(frame, 0, PAGE, READ_WRITE) == Ok(PAGE), "not mapped");
    word(PAGE).store(55, Ordering::Relaxed);

    let child = child::start("frames", STORE, cpu);
    check!(map(readable, child.program, PAGE, rights::READ) == Ok(PAGE), "not mapped");
    let mut bytes = [0; 8];
    check!(read_memory(child.program, PAGE, &mut bytes) == Ok(8), "not read");
    check!(u64::from_le_bytes(bytes) == 55, "{bytes:?}");
    let patched = patch_memory(child.program, PAGE, &[1]);
    check!(patched == Err(Error::BadAddress), "a debugger changed what is others', too: {patched:?}");
    child::resume(&child);
    let end = child::end();
    check!(end.cause == EndCause::Trap as u64 && end.trap == TrapNumber::STORE_PAGE_FAULT.to_bits(), "{end:x?}");
    check!(word(PAGE).load(Ordering::Relaxed) == 55, "it was written");
    child::forget(&child);

    // By a capability that was given to it.
    let child = child::start("frames", MAP_ITSELF, cpu);
    check!(copy_capability(readable, rights::ALL, 0, child.program) == Ok(SLOT_FIRST_FREE), "not given");
    child::resume(&child);
    check!(child::exit() == 55, "another status");
    child::forget(&child);
    unmap(PAGE);
    child::delete(&[readable, frame]);
}

fn it_is_taken_away_while_it_is_used(cpu: u64) {
    let Ok(notification) = notification::create() else { programs::wrong(file!(), format_args!("no notification")) };
    let (child, frame) = (child::start("frames", SPIN, cpu), frame());
    check!(copy_capability(notification, rights::SEND, 0, child.program) == Ok(SLOT_FIRST_FREE), "not given");
    check!(map(frame, 0, PAGE, READ_WRITE) == Ok(PAGE), "not mapped");
    word(PAGE).store(1, Ordering::Relaxed);
    check!(map(frame, child.program, PAGE, rights::READ) == Ok(PAGE), "not mapped");
    child::resume(&child);
    check!(wait_for(notification, 10 * SECOND) == Ok(1), "it does not run");
    check!(unmap_from(child.program, PAGE, BYTES) == Ok(BYTES), "not unmapped");
    let end = child::end();
    check!(end.cause == EndCause::Trap as u64 && end.trap == TrapNumber::LOAD_PAGE_FAULT.to_bits(), "{end:x?}");
    check!(end.address == PAGE, "{end:x?}");
    check!(
        map(frame, child.program, PAGE, rights::READ) == Err(Error::NotPermitted),
        "mapped into a program that ended"
    );
    child::forget(&child);
    unmap(PAGE);
    child::delete(&[notification, frame]);
}

/// The capability goes, the mapping of a program that waits stays; it goes with the program.
fn mappings_keep_the_frame(cpu: u64) {
    let frames = || Kernel::system_information().map_or(0, |system| system.frames_in_use);
    let (child, frame) = (child::start("frames", MAP_ITSELF, cpu), frame());
    check!(map(frame, 0, PAGE, READ_WRITE) == Ok(PAGE), "not mapped");
    word(PAGE).store(4711, Ordering::Relaxed);
    check!(map(frame, child.program, PAGE, rights::READ) == Ok(PAGE), "not mapped");
    unmap(PAGE);
    child::delete(&[frame]);
    let mut bytes = [0; 8];
    check!(read_memory(child.program, PAGE, &mut bytes) == Ok(8), "not read");
    check!(u64::from_le_bytes(bytes) == 4711, "{bytes:?}");
    let before = frames();
    check!(kill_program(child.program) == Ok(0), "not killed");
    let _end = child::end();
    child::forget(&child);
    check!(wait_until(2 * SECOND, || frames() < before), "its memory stays");
}

/// It has what the other one held, whole; from then on they have nothing to do with each other.
fn a_copy_is_another_frame() {
    let frame = frame();
    check!(map(frame, 0, PAGE, READ_WRITE) == Ok(PAGE), "not mapped");
    (0..BYTES / 8).for_each(|index| word(PAGE + index * 8).store(index + 1, Ordering::Relaxed));
    let readable = limited(frame, rights::READ);
    let copied = copy(readable);
    let Ok(copied) = copied else { programs::wrong(file!(), format_args!("no copy: {copied:?}")) };
    word(PAGE).store(99, Ordering::Relaxed);
    check!(map(copied, 0, PAGE + BYTES, READ_WRITE) == Ok(PAGE + BYTES), "not mapped");
    let same = (0..BYTES / 8).all(|index| word(PAGE + BYTES + index * 8).load(Ordering::Relaxed) == index + 1);
    check!(same, "the copy differs");
    word(PAGE + BYTES).store(100, Ordering::Relaxed);
    check!(word(PAGE).load(Ordering::Relaxed) == 99, "a store to the copy reached the other one");
    let writable = limited(frame, rights::WRITE);
    check!(copy(writable) == Err(Error::NoRight), "copied without the right");
    for slot in [1, 2, 4000, u64::MAX] {
        check!(copy(slot) == Err(Error::BadCapability), "copied slot {slot}");
    }
    unmap(PAGE);
    unmap(PAGE + BYTES);
    child::delete(&[writable, readable, copied, frame]);
}

fn wrong_arguments() {
    let frame = frame();
    for wanted in [0, rights::WRITE, rights::READ | rights::SEND, rights::ALL, u64::MAX] {
        check!(map(frame, 0, PAGE, wanted) == Err(Error::InvalidArgument), "mapped with rights {wanted:#x}");
    }
    for address in [0, PAGE + 1, UTCB_BASE, 0x8000_0000_0000, 1 << 63, u64::MAX - 4095] {
        check!(map(frame, 0, address, rights::READ) == Err(Error::InvalidArgument), "mapped at {address:#x}");
    }
    check!(map(frame, 0, PAGE, rights::READ) == Ok(PAGE), "not mapped");
    check!(map(frame, 0, PAGE, rights::READ) == Err(Error::AlreadyMapped), "mapped twice at one place");
    // The page is no place for others, either, and goes by the call that takes any page away.
    let fresh = Kernel::map_memory(PAGE, BYTES);
    check!(fresh == Err(Error::AlreadyMapped), "{fresh:?}");
    check!(unmap_from(SLOT_OWN_PROGRAM, PAGE, BYTES) == Ok(BYTES), "not unmapped");
    check!(unmap_from(SLOT_OWN_PROGRAM, PAGE, BYTES) == Err(Error::NotFound), "unmapped twice");
    for slot in [0, 1, 2, 4000, u64::MAX] {
        check!(map(slot, 0, PAGE, rights::READ) == Err(Error::BadCapability), "mapped slot {slot}");
    }
    for slot in [frame, 2, 4000] {
        check!(map(frame, slot, PAGE, rights::READ) == Err(Error::BadCapability), "mapped into slot {slot}");
        check!(unmap_from(slot, PAGE, BYTES) == Err(Error::BadCapability), "unmapped from slot {slot}");
    }
    let child = child::start("frames", STORE, 0);
    let weak = limited(child.program, rights::READ);
    check!(map(frame, weak, PAGE, rights::READ) == Err(Error::NoRight), "mapped without the right");
    check!(unmap_from(weak, PAGE, BYTES) == Err(Error::NoRight), "unmapped without the right");
    check!(kill_program(child.program) == Ok(0), "not killed");
    let _end = child::end();
    child::forget(&child);
    child::delete(&[weak, frame]);
}

/// Capabilities end before frames do: mapped ones need none.
fn the_quota_comes_back() {
    const QUOTA: u64 = 4096;
    for _ in 0..2 {
        for number in 0..QUOTA {
            let frame = frame();
            check!(map(frame, 0, PAGE + number * BYTES, rights::READ).is_ok(), "frame {number} is not mapped");
            child::delete(&[frame]);
        }
        check!(create() == Err(Error::QuotaReached), "more frames than the quota");
        // SAFETY: nothing keeps references into the pages.
        let unmapped = unsafe { Kernel::unmap_memory(PAGE, QUOTA * BYTES) };
        check!(unmapped == Ok(QUOTA * BYTES), "{unmapped:?}");
    }
    child::delete(&[frame()]);
}
