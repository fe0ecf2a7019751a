//! Threads that wait for the disk, and what the disk's answers come to.

use alloc::sync::Arc;

use gatehouse_abi::PageLoss;
use gatehouse_core::swap::page_codec::checksum;
use intrusive_collections::LinkedList;
use percpu::CpuIndex;
use spin::Once;
use x86_64::VirtAddr;

use super::disk::{self, Direction, Disk, Finished, Transfer, VECTOR, take_threads};
use super::store::{Store, store};
use super::swap_out::{put_back, return_page};
use crate::arch::ticks;
use crate::clock::clock;
use crate::console;
use crate::cpu::ThisCpu;
use crate::memory::Frame;
use crate::memory::address_space::PageState;
use crate::program::{self, Program};
use crate::sched::{self, Next};
use crate::sync::{Mutex, rank};
use crate::thread::{QueueAdapter, Wait};
use crate::time::{Action, Timer};

/// How long the disk may take for a page unless the command line says otherwise. Seconds; its host may have other plans.
pub(super) const DEADLINE: u64 = 30;
/// The longest that the command line may allow. Seconds.
pub(super) const LONGEST_DEADLINE: u64 = 3600;
/// How often the disk is looked at while it works, should an interrupt get lost. Nanoseconds.
const LOOK_AGAIN: u64 = 200_000_000;
/// The same for a disk that does not interrupt.
const POLL: u64 = 1_000_000;

/// Gives the disk a transfer.
///
/// # Errors
/// The transfer, when the disk does not take it.
pub(super) fn begin(cpu: &ThisCpu, disk: &mut Disk, mut transfer: Transfer) -> Result<(), Transfer> {
    let patience = WATCH.get().map_or(u64::MAX, |watch| clock().ticks_in(watch.deadline * 1_000_000_000));
    transfer.deadline = ticks().saturating_add(patience);
    let idle = !disk.is_busy();
    disk.begin(transfer)?;
    if idle {
        look_again(cpu, disk);
    }
    Ok(())
}

/// What sees to it that the disk answers.
struct Watch {
    /// Looks at the disk when it should have answered.
    timer: Arc<Timer>,
    /// How long it may take. Seconds.
    deadline: u64,
}

static WATCH: Once<Watch> = Once::new();

/// Makes what transfers need, while there is memory for it: the disk may take so many seconds for each.
pub(super) fn prepare(deadline: u64) {
    WATCH.call_once(|| {
        let Ok(timer) = Timer::new(CpuIndex::BOOT, Action::Call(look, 0)) else {
            panic!("cannot start: no memory for the timer that watches the disk")
        };
        Watch { timer, deadline }
    });
}

/// Has the first CPU look at the disk after a while.
fn look_again(cpu: &ThisCpu, disk: &Disk) {
    let period = if disk.interrupts() { LOOK_AGAIN } else { POLL };
    if let Some(watch) = WATCH.get() {
        watch.timer.set(cpu, ticks().saturating_add(clock().ticks_in(period)));
    }
}

/// What came of making the running thread wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// It is off the CPU.
    Yes,
    /// There is nothing to wait for any more.
    No,
}

/// Puts the running thread into a list. The list's lock is held; [`waiting`] follows once it is not.
fn put_in(cpu: &ThisCpu, list: &mut LinkedList<QueueAdapter>) -> Option<Arc<Program>> {
    let thread = sched::detach_current(cpu)?;
    thread.set_wait(Wait::ForSwap);
    let program = Arc::clone(thread.program());
    list.push_back(thread);
    Some(program)
}

/// A thread has just been put into a list: if its program is ending, whoever ends it may have looked before.
fn waiting(cpu: &ThisCpu, program: Option<Arc<Program>>) -> Waits {
    let Some(program) = program else { return Waits::No };
    if program.is_ending() {
        cancel_waiting(cpu, &program);
    }
    Waits::Yes
}

/// Begins to read a page whose slot holds it; the running thread waits for it. The address space is locked by the caller, which
/// passes what it found there.
///
/// # Errors
/// The frame, when the disk takes no more.
pub(super) fn read_page(
    cpu: &ThisCpu,
    store: &Mutex<Store, rank::Store>,
    program: &Arc<Program>,
    page: VirtAddr,
    slot: u32,
    frame: Frame,
) -> Result<Option<Arc<Program>>, Frame> {
    let mut store = store.lock();
    let contents = store.slots().contents(slot);
    let mut transfer = Transfer::new(Direction::In, slot, contents, frame, program, page);
    let Some(disk) = store.disk() else { unreachable!("the store is on a disk") };
    if !disk.has_room(Direction::In) {
        return Err(transfer.frame);
    }
    let waiter = put_in(cpu, &mut transfer.waiters);
    match begin(cpu, disk, transfer) {
        Ok(()) => store.slots().set_returning(slot),
        Err(_) => unreachable!("the disk has room"),
    }
    Ok(waiter)
}

/// The running thread waits for the transfer of a slot.
pub(super) fn wait_for_slot(cpu: &ThisCpu, store: &Mutex<Store, rank::Store>, slot: u32) -> Waits {
    let waiter = {
        let mut store = store.lock();
        let transfer = store.disk().and_then(|disk| disk.transfers().find(|transfer| transfer.slot == slot));
        transfer.and_then(|transfer| put_in(cpu, &mut transfer.waiters))
    };
    waiting(cpu, waiter)
}

/// The running thread waits for anything that the disk does: it leaves frames behind, or room for a transfer.
pub(super) fn wait_for_disk(cpu: &ThisCpu, store: &Mutex<Store, rank::Store>) -> Waits {
    let waiter = {
        let mut store = store.lock();
        if store.disk().is_some_and(|disk| disk.is_busy()) { put_in(cpu, &mut store.wait_for_frames) } else { None }
    };
    waiting(cpu, waiter)
}

/// After [`read_page`], with the address space unlocked.
pub(super) fn wait_for_read(cpu: &ThisCpu, waiter: Option<Arc<Program>>) {
    let _ = waiting(cpu, waiter);
}

/// Takes every thread of an ending program out of its wait for the disk, and ends it.
pub fn cancel_waiting(cpu: &ThisCpu, program: &Arc<Program>) {
    let Some(store) = store() else { return };
    let mut gone = LinkedList::new(QueueAdapter::new());
    {
        let mut store = store.lock();
        let Some(disk) = store.disk() else { return };
        for transfer in disk.transfers() {
            take_threads(&mut transfer.waiters, program, |thread| gone.push_back(thread));
        }
        take_threads(&mut store.wait_for_frames, program, |thread| gone.push_back(thread));
    }
    while let Some(thread) = gone.pop_front() {
        program::thread_gone(cpu, thread);
    }
}

/// A device interrupt: `None` if it is not the disk's.
pub fn disk_interrupt(cpu: &ThisCpu, vector: u64) -> Option<Next> {
    let store = store().filter(|_| vector == u64::from(VECTOR))?;
    Some(take_answers(cpu, store))
}

/// The timer has fired: takes what the disk has done, and looks whether it is late.
fn look(cpu: &ThisCpu, _argument: u64) -> Next {
    let Some(store) = store() else { return Next::Stay };
    let late = {
        let mut store = store.lock();
        let Some(disk) = store.disk().filter(|disk| disk.is_busy()) else { return Next::Stay };
        look_again(cpu, disk);
        disk.is_late(ticks())
    };
    let next = take_answers(cpu, store);
    if late { next.and(give_up(cpu, store)) } else { next }
}

/// The disk did not answer in time: what it works at is lost.
fn give_up(cpu: &ThisCpu, store: &Mutex<Store, rank::Store>) -> Next {
    let mut lost = heapless::Vec::<Finished, { disk::ACTIVE }>::new();
    {
        let mut store = store.lock();
        let Some(disk) = store.disk().filter(|disk| disk.is_late(ticks())) else { return Next::Stay };
        disk.give_up(|finished| {
            let pushed = lost.push(finished);
            assert!(pushed.is_ok());
        });
    }
    let deadline = WATCH.get().map_or(0, |watch| watch.deadline);
    console::line(format_args!("swap: the disk has not answered for {deadline} s and is given up"));
    let next = lost.into_iter().fold(Next::Stay, |next, finished| next.and(take_answer(cpu, store, finished)));
    next.and(take_answers(cpu, store))
}

/// Takes all answers of the disk.
fn take_answers(cpu: &ThisCpu, store: &Mutex<Store, rank::Store>) -> Next {
    let mut next = Next::Stay;
    loop {
        let finished = store.lock().disk().and_then(Disk::take_finished);
        let Some(finished) = finished else { break };
        next = next.and(take_answer(cpu, store, finished));
    }
    // A thread whose program ended on the way may have been the running one.
    if cpu.current().is_none() { Next::Choose } else { next }
}

fn take_answer(cpu: &ThisCpu, store: &Mutex<Store, rank::Store>, finished: Finished) -> Next {
    let Finished { transfer, done, device_may_write } = finished;
    let Transfer { direction, slot, contents, frame, program, page, mut waiters, .. } = transfer;
    if !done {
        let count = {
            let mut store = store.lock();
            store.counts().disk_errors += 1;
            store.counts().disk_errors
        };
        if count.is_power_of_two() {
            console::line(format_args!("swap: the disk refuses to do {direction:?} of slot {slot} ({count} so far)"));
        }
    }
    match direction {
        Direction::Out if done => {
            // A slot that nobody wants is free now; nothing else is to be done for it.
            let _wanted = store.lock().stored(slot, contents);
            drop(frame);
        }
        // Nothing is lost: the page stays where it was.
        Direction::Out => put_back(store, &program, page, slot, frame),
        Direction::In if done && checksum(slot, frame.bytes()) == contents.checksum => {
            arrive(store, &program, page, slot, frame);
        }
        Direction::In => {
            let loss = if done { PageLoss::Corrupt } else { PageLoss::InputOutput };
            let token = u64::from(slot);
            let wanted = {
                let space = program.space();
                let state = space.as_ref().map_or(PageState::Unmapped, |space| space.page(page));
                let mut store = store.lock();
                store.counts().corrupt += u64::from(done);
                // The contents stay where they are, and whoever unmaps the page releases the slot, or has done so.
                store.slots().set_not_returned(slot);
                matches!(state, PageState::SwappedOut { token: there, .. } if there == token)
            };
            if device_may_write {
                core::mem::forget(frame);
            }
            if wanted {
                program::lose_page(cpu, &program, page.as_u64(), loss);
            }
        }
    }
    let mut next = wake_all(cpu, &mut waiters);
    let mut others = core::mem::replace(&mut store.lock().wait_for_frames, LinkedList::new(QueueAdapter::new()));
    next = next.and(wake_all(cpu, &mut others));
    next
}

/// A page is back from the disk.
fn arrive(store: &Mutex<Store, rank::Store>, program: &Program, page: VirtAddr, slot: u32, frame: Frame) {
    let mut space = program.space();
    let back = return_page(space.as_mut(), page, slot, frame);
    let mut store = store.lock();
    if back {
        store.counts().back += 1;
        store.slots().done(slot);
    } else {
        // Whoever unmapped the page releases the slot, or has done so.
        store.slots().set_not_returned(slot);
    }
}

fn wake_all(cpu: &ThisCpu, threads: &mut LinkedList<QueueAdapter>) -> Next {
    let mut next = Next::Stay;
    while let Some(thread) = threads.pop_front() {
        thread.set_wait(Wait::Nothing);
        next = next.and(sched::wake(cpu, thread));
    }
    next
}
