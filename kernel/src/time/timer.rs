//! Kernel timers: set from any CPU, fire on their own.

use core::cell::Cell;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};

use alloc::sync::Arc;

use gatehouse_core::intrusive::InboxEntry;
use gatehouse_core::sched::PRIORITIES;
use gatehouse_core::time::{Key, OFF, Setting, Timed};
use intrusive_collections::{KeyAdapter, RBTreeAtomicLink};
use percpu::CpuIndex;
use smp::ipi::Kind;

use crate::arch::ticks;
use crate::cpu::{self, ThisCpu};
use crate::hardware_timer::arm;
use crate::ipc::Notification;
use crate::ipi::kick;
use crate::memory::fallible::{self, OutOfHeap};
use crate::sched::REQUESTS;
use crate::sched::{Next, Worker, own_priority};
use crate::time::per_cpu::{CHANGED_TIMERS, TIMERS};

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// What happens when a timer fires: on the timer's CPU, in the timer interrupt, after the timer was dropped from the list.
#[derive(Debug)]
pub enum Action {
    /// Nothing but that it is counted.
    Count,
    /// The bits of a badge are signalled to a notification.
    Signal(Arc<Notification>, u64),
    /// A call of the kernel's own, with an argument.
    Call(fn(&ThisCpu, u64) -> Next, u64),
}

/// A one-shot timer.
///
/// It fires on one CPU, its home; only the home touches its place in the list. [`Setting`] is what all share.
#[derive(Debug)]
pub struct Timer {
    setting: Setting,
    home: CpuIndex,
    action: Action,
    number: u64,
    /// The priority of the thread that set it last.
    priority: AtomicU8,
    /// The lane of the home's list in which it stands. Only the home's.
    lane: Cell<u8>,
    /// The moment at which it stands in the home's list. Only the home's.
    entry: Cell<u64>,
    link: RBTreeAtomicLink,
    inbox_next: AtomicPtr<Self>,
    fired: AtomicU64,
    /// What it was set to when it fired last.
    moment: AtomicU64,
    /// When that was.
    fired_at: AtomicU64,
}

// SAFETY: `lane`, `entry` and `link` are the home's alone; the rest is atomic or constant.
unsafe impl Sync for Timer {}
// SAFETY: nothing in a timer is tied to the CPU that makes or frees it.
unsafe impl Send for Timer {}

mod adapter {
    #![expect(missing_docs, reason = "the macro documents neither the type nor its items")]
    use super::{Arc, RBTreeAtomicLink, Timer};
    use intrusive_collections::intrusive_adapter;

    intrusive_adapter!(pub TimerAdapter = Arc<Timer>: Timer { link => RBTreeAtomicLink });
}

pub use adapter::TimerAdapter;

impl core::fmt::Debug for TimerAdapter {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("TimerAdapter")
    }
}

impl<'timer> KeyAdapter<'timer> for TimerAdapter {
    type Key = Key;

    fn get_key(&self, timer: &'timer Timer) -> Key {
        timer.key()
    }
}

impl Timed for Timer {
    fn key(&self) -> Key {
        (self.entry.get(), self.number)
    }
}

// SAFETY: the link is used by inboxes alone, and a timer is in one inbox at a time: `Setting::tell_home` lets one caller
// put it in, and the home takes it out before it says that it heard.
unsafe impl InboxEntry for Timer {
    fn next_link(&self) -> &AtomicPtr<Self> {
        &self.inbox_next
    }
}

/// How often a timer has fired, and when it did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firings {
    /// How often.
    pub count: u64,
    /// What it was set to the last time, in clock ticks.
    pub moment: u64,
    /// When it fired, in clock ticks.
    pub fired_at: u64,
}

impl Timer {
    /// A timer that is not set. `home` is a CPU that is online.
    ///
    /// # Errors
    /// [`OutOfHeap`].
    pub fn new(home: CpuIndex, action: Action) -> Result<Arc<Self>, OutOfHeap> {
        fallible::new_arc(Self {
            setting: Setting::new(),
            home,
            action,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            priority: AtomicU8::new(0),
            lane: Cell::new(0),
            entry: Cell::new(OFF),
            link: RBTreeAtomicLink::new(),
            inbox_next: AtomicPtr::new(core::ptr::null_mut()),
            fired: AtomicU64::new(0),
            moment: AtomicU64::new(0),
            fired_at: AtomicU64::new(0),
        })
    }

    /// Sets it to fire at a moment, in clock ticks, or soon if that has passed, for the running thread and at its priority. Answers
    /// whether it was set before, and does not fire for that any more.
    ///
    /// From any CPU; another CPU is kicked.
    pub fn set(self: &Arc<Self>, cpu: &ThisCpu, moment: u64) -> bool {
        self.priority.store(self.setter_priority(cpu), Ordering::Relaxed);
        let was_set = self.setting.replace(moment.min(OFF - 1));
        if self.home == cpu.index() {
            self.place(cpu);
        } else {
            self.tell_home(cpu, true);
        }
        was_set
    }

    /// Clears it. Answers whether it was set; it does not fire for that any more. `false` says that it has fired, or is
    /// about to.
    ///
    /// From any CPU; no other is kicked: the home meets the entry sooner or later and drops it.
    pub fn cancel(self: &Arc<Self>, cpu: &ThisCpu) -> bool {
        let was_set = self.setting.replace(OFF);
        if was_set {
            if self.home == cpu.index() {
                self.place(cpu);
            } else {
                self.tell_home(cpu, false);
            }
        }
        was_set
    }

    /// Clears it for good, soon: nobody will use it any more, and neither the home's list nor its inbox shall keep it. It may be
    /// there though it is not set: who cleared it did not kick the home.
    pub fn abandon(self: &Arc<Self>, cpu: &ThisCpu) {
        self.cancel(cpu);
        // The list and the inbox own it: who has the only reference need not tell anybody.
        if Arc::strong_count(self) == 1 {
            return;
        }
        if self.home == cpu.index() {
            changed_elsewhere(cpu);
        } else {
            self.tell_home(cpu, true);
        }
    }

    /// How often it has fired. While it may be firing the three numbers need not belong together.
    #[must_use]
    pub fn firings(&self) -> Firings {
        Firings {
            count: self.fired.load(Ordering::Acquire),
            moment: self.moment.load(Ordering::Relaxed),
            fired_at: self.fired_at.load(Ordering::Relaxed),
        }
    }

    /// The priority of what is done to it now: the running thread's, or, for the kernel's own, the highest.
    fn setter_priority(&self, cpu: &ThisCpu) -> u8 {
        if matches!(self.action, Action::Call(..)) { const { PRIORITIES as u8 - 1 } } else { own_priority(cpu) }
    }

    /// The priority by which the home's list has it. Only on the home.
    pub(super) const fn lane(&self) -> u8 {
        self.lane.get()
    }

    fn tell_home(self: &Arc<Self>, cpu: &ThisCpu, hurry: bool) {
        let Some(home) = cpu::by_index(self.home) else { unreachable!("timers are made for CPUs that are online") };
        let priority = self.setter_priority(cpu);
        self.setting.tell_home(
            hurry,
            || CHANGED_TIMERS.of(home).put(priority, Arc::clone(self)),
            || {
                if REQUESTS.of(home).is_interrupted_for(priority) {
                    kick(cpu, home, Kind::Timer);
                }
            },
        );
    }

    /// Puts the entry where it belongs by now. Only on the home.
    fn place(self: &Arc<Self>, cpu: &ThisCpu) {
        let wanted = self.setting.wanted();
        let priority = self.priority.load(Ordering::Relaxed);
        let timers = TIMERS.of(cpu);
        if self.link.is_linked() {
            if self.entry.get() == wanted && self.lane.get() == priority {
                return;
            }
            drop(timers.remove_timer(self));
        }
        if wanted != OFF {
            self.entry.set(wanted);
            self.lane.set(priority);
            timers.insert_timer(Arc::clone(self));
            arm(cpu, timers.next());
        }
    }

    /// Its moment has come; it has just been dropped from the list. Only on the home.
    fn expire(self: &Arc<Self>, cpu: &ThisCpu) -> Next {
        let moment = self.entry.get();
        if !self.setting.fire(moment) {
            self.place(cpu);
            return Next::Stay;
        }
        self.moment.store(moment, Ordering::Relaxed);
        self.fired_at.store(ticks(), Ordering::Relaxed);
        // Release: who sees the count sees the two moments, or later ones.
        self.fired.store(self.fired.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
        match &self.action {
            Action::Count => Next::Stay,
            Action::Signal(notification, badge) => notification.signal(cpu, *badge),
            Action::Call(function, argument) => function(cpu, *argument),
        }
    }
}

/// A timer's entry has just been dropped from this CPU's list: completes its action.
pub(super) fn expire(cpu: &ThisCpu, timer: Arc<Timer>) -> Next {
    timer.expire(cpu)
}

/// Takes in what other CPUs did to this CPU's timers, as much as may be now.
pub fn changed_elsewhere(cpu: &ThisCpu) {
    let mut worker = Worker::new(cpu);
    while let Some(floor) = worker.floor() {
        let Some((priority, timer)) = CHANGED_TIMERS.of(cpu).take(floor) else { return };
        worker.spend(priority);
        timer.setting.heard();
        timer.place(cpu);
    }
    // The rest comes in the next interrupt.
    kick(cpu, cpu.cpu(), Kind::Timer);
}
