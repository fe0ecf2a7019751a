//! What each call about timers answers, for timers of every CPU; and that timers which are set when their program ends
//! neither fire into nothing nor stay.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{ANY_CPU, Error, SLOT_FIRST_THREAD, SystemCall, TIMER_RELATIVE, rights};
use gatehouse_runtime::capability::{Notification, Slot};
use gatehouse_runtime::entry_point::{EntryPoint, Syscall};
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use gatehouse_runtime::timer::Timer;
use gatehouse_runtime::{Kernel, entry};
use programs::raw::message::{copy_capability, delete_capability, first_utcb};
use programs::raw::notification;
use programs::{check, cpus};

entry!(run);

/// Nanoseconds of a tick of the kernel's clock, the time-stamp counter, rounded up.
fn tick() -> u64 {
    // SAFETY: every processor of this kind has the counter, and the kernel lets programs read it.
    let counter = || unsafe { core::arch::x86_64::_rdtsc() };
    let (before, begin) = (counter(), Kernel::clock());
    while Kernel::clock() < begin + MILLISECOND {
        core::hint::spin_loop();
    }
    (Kernel::clock() - begin).div_ceil(counter().wrapping_sub(before).max(1)) + 1
}

fn run(_argument: u64) -> u64 {
    for cpu in 0..cpus() {
        one(cpu);
    }
    signals();
    errors();
    // Clocks that nobody will see: set for ever, and soon.
    for cpu in 0..cpus() {
        for nanoseconds in [u64::MAX, 3600 * SECOND, MILLISECOND] {
            check!(timer(cpu).set_after(nanoseconds) == Ok(false), "a new timer is set");
        }
    }
    sleep_until();
    given_up_after_they_were_cleared();
    0
}

/// Timers that are cleared, and then given up: nothing stays of them, though clearing tells their CPUs nothing. The last thing
/// here, since each timer that is set makes its CPU look.
fn given_up_after_they_were_cleared() {
    for cpu in 0..cpus() {
        let timer = timer(cpu);
        check!(timer.set_after(3600 * SECOND) == Ok(false), "a new timer is set");
        check!(timer.cancel() == Ok(true), "it was not set");
        check!(delete_capability(timer.slot().number()).is_ok(), "a timer's capability cannot be deleted");
    }
}

fn timer(cpu: u64) -> Timer {
    let timer = Timer::create(cpu);
    let Ok(timer) = timer else { programs::wrong(file!(), format_args!("no timer for CPU {cpu}: {timer:?}")) };
    timer
}

fn one(cpu: u64) {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let timer = timer(cpu);
    let fires = |count| wait_until(10 * SECOND, || timer.count() == Ok(count));
    check!(timer.cancel() == Ok(false), "a new timer is set");
    check!(timer.count() == Ok(0), "a new timer has fired");

    // A moment that has passed.
    check!(timer.set_at(0) == Ok(false), "a new timer is set");
    check!(fires(1), "CPU {cpu}: a timer set to the past does not fire");
    check!(timer.cancel() == Ok(false), "a timer that has fired is set");

    // Taken back, replaced by an earlier time, and by a later one.
    check!(timer.set_after(3600 * SECOND) == Ok(false), "a timer that has fired is set");
    check!(timer.cancel() == Ok(true) && timer.cancel() == Ok(false), "clearing does not say what was");
    check!(timer.set_after(3600 * SECOND) == Ok(false), "a timer that was cleared is set");
    let due = Kernel::clock() + MILLISECOND;
    check!(timer.set_at(due) == Ok(true), "replacing does not say what was");
    check!(fires(2), "CPU {cpu}: a timer set to an earlier time does not fire");
    check!(Kernel::clock() >= due, "CPU {cpu}: early");
    let firings = timer.firings(&utcb).unwrap_or_default();
    // The kernel keeps the moment in ticks of its clock, rounded up, and tells it in nanoseconds, rounded up.
    let tick = tick();
    check!((due..=due + tick).contains(&firings.due), "due {}, set to {due}, a tick is {tick} ns", firings.due);
    check!(firings.fired >= firings.due, "fired at {}, due at {}", firings.fired, firings.due);

    let late = Kernel::clock() + 30 * MILLISECOND;
    let first = timer.set_after(20 * MILLISECOND);
    let second = timer.set_at(late);
    check!(first == Ok(false), "a timer that has fired is set");
    // A host that stands still for so long makes it fire twice; what is known of each setting must still be true.
    let expected = if second == Ok(true) { 3 } else { 4 };
    check!(fires(expected), "CPU {cpu}: a timer set to a later time does not fire");
    check!(Kernel::clock() >= late, "CPU {cpu}: early");
    check!(delete_capability(timer.slot().number()).is_ok(), "a timer's capability cannot be deleted");
}

fn errors() {
    check!(Timer::create(cpus()) == Err(Error::NoSuchCpu), "a timer for a CPU that is not there");
    check!(Timer::create(u64::MAX - 1) == Err(Error::NoSuchCpu), "a timer for a CPU that cannot be");
    let own = timer(ANY_CPU);
    for flags in [2, TIMER_RELATIVE | 4, u64::MAX] {
        // SAFETY: the kernel writes to no memory.
        let answer = unsafe { Syscall::call(SystemCall::SetTimer, [own.slot().number(), 0, flags, 0, 0, 0]) };
        check!(Error::from_register(answer) == Err(Error::InvalidArgument), "flags {flags:#x}: {answer:#x}");
    }
    for slot in [0, SLOT_FIRST_THREAD, 4000, u64::MAX] {
        let none = Timer::from_slot(Slot::new(slot));
        check!(none.set_at(0) == Err(Error::BadCapability), "slot {slot:#x} can be set");
        check!(none.cancel() == Err(Error::BadCapability), "slot {slot:#x} can be cleared");
        check!(none.count() == Err(Error::BadCapability), "slot {slot:#x} can be read");
    }
    let read_only =
        copy_capability(own.slot().number(), rights::READ, 0, 0).map(|slot| Timer::from_slot(Slot::new(slot)));
    let write_only =
        copy_capability(own.slot().number(), rights::WRITE, 0, 0).map(|slot| Timer::from_slot(Slot::new(slot)));
    let (Ok(read_only), Ok(write_only)) = (read_only, write_only) else {
        programs::wrong(file!(), format_args!("no copies: {read_only:?} {write_only:?}"))
    };
    check!(read_only.set_at(0) == Err(Error::NoRight), "set without the right");
    check!(read_only.cancel() == Err(Error::NoRight), "cleared without the right");
    check!(write_only.count() == Err(Error::NoRight), "read without the right");
    check!(write_only.set_after(3600 * SECOND) == Ok(false), "it is set");
    // The timer is the same one, and lives as long as any capability of it.
    check!(delete_capability(own.slot().number()).is_ok(), "the original cannot be deleted");
    check!(write_only.set_at(0) == Ok(true), "with its first capability the timer was cleared");
    check!(wait_until(10 * SECOND, || read_only.count() == Ok(1)), "the timer is gone while capabilities are left");
}

/// A thread that waits for a notification is woken by timers of all CPUs, each with its own bit, and not early.
fn signals() {
    let Ok(notification) = notification::create() else { programs::wrong(file!(), format_args!("no notification")) };
    check!(Timer::create_signalling(0, at(SLOT_FIRST_THREAD)) == Err(Error::BadCapability), "a thread is signalled");
    for cpu in 0..cpus().min(16) {
        let marked = copy_capability(notification, rights::SEND, 1 << cpu, 0);
        let Ok(marked) = marked else { programs::wrong(file!(), format_args!("no copy: {marked:?}")) };
        let timer = Timer::create_signalling(cpu, at(marked));
        let Ok(timer) = timer else { programs::wrong(file!(), format_args!("no timer for CPU {cpu}: {timer:?}")) };
        for round in 1..=3 {
            let due = Kernel::clock() + MILLISECOND / round;
            check!(timer.set_at(due) == Ok(false), "it is set");
            let bits = notification::wait_for(notification, 10 * SECOND);
            check!(Kernel::clock() >= due, "CPU {cpu}: signalled early");
            check!(bits == Ok(1 << cpu), "CPU {cpu}: bits {bits:?}");
        }
        // Without somebody who waits, the bits are kept; they are not signalled twice.
        check!(timer.set_at(0) == Ok(false), "it is set");
        check!(wait_until(10 * SECOND, || timer.count() == Ok(4)), "CPU {cpu}: it does not fire");
        let bits = notification::wait_for(notification, 10 * SECOND);
        check!(bits == Ok(1 << cpu), "CPU {cpu}: bits {bits:?} kept");
        check!(notification::poll(notification) == Err(Error::WouldBlock), "CPU {cpu}: signalled twice");
    }
    let receive_only = copy_capability(notification, rights::RECEIVE, 0, 0).unwrap_or(0);
    check!(Timer::create_signalling(0, at(receive_only)) == Err(Error::NoRight), "signalled without the right");
}

fn sleep_until() {
    let due = Kernel::clock() + 2 * MILLISECOND;
    Kernel::sleep_until(due);
    check!(Kernel::clock() >= due, "woken early");
    // The past, and 0: come back.
    Kernel::sleep_until(due);
    Kernel::sleep_until(0);
}

/// The notification in a slot.
const fn at(slot: u64) -> Notification {
    Notification::from_slot(Slot::new(slot))
}
