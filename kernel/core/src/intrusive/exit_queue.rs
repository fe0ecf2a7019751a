//! What is to end on one CPU, until the trap that is being handled is over.
//!
//! The end of a thread, a program or an object can bring that of others, along chains that programs make as long as they
//! like, and the last reference may be dropped anywhere: in the middle of a system call, under a lock, inside a wake-up. So
//! nothing ends where its last reference goes. It is put here, and all ends are run when the
//! handler is over: no lock is held then, and no reference to a thread is alive that an end could free. An end that brings
//! another puts it here, too, so none runs inside another and the kernel's stack does not grow with the chain.
//!
//! Nothing is allocated: what can end has a link of its own.

use alloc::sync::Arc;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::ptr;

/// In which order ends run: all of one stage before any of the next, and in each those first that came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// An object closes: its last capability is gone.
    Object,
    /// A thread is off every CPU and list for good.
    Thread,
    /// A fault will not be handled: the program of its thread ends.
    Fault,
    /// A program's threads are stopped.
    Stop,
    /// A program without threads gives back what it has.
    Release,
    /// Whoever started a program is told.
    Report,
}

/// How many there are.
const STAGES: usize = Stage::Report as usize + 1;

/// One way for an object to end. What it needs besides the object is a CPU.
///
/// # Safety
/// So many bytes from the start of an object there is a link, which only ends of this way and of others use that never wait at
/// the same time.
pub unsafe trait End {
    /// What ends.
    type Object: Send + Sync + 'static;
    /// What the end is run with: a token of the CPU.
    type Cpu;
    /// When it runs.
    const STAGE: Stage;

    /// Where in the object its link is, in bytes.
    const LINK: usize;

    /// Ends the object. Called with no lock held.
    fn run(object: Arc<Self::Object>, cpu: &Self::Cpu);
}

/// What an object needs to wait for its end.
pub struct ExitLink<Cpu> {
    next: Cell<*const ExitLink<Cpu>>,
    /// Runs the end of the object that the link lies in, which it owns from then on.
    run: Cell<Option<Run<Cpu>>>,
}

type Run<Cpu> = unsafe fn(*const ExitLink<Cpu>, &Cpu);

// SAFETY: the cells belong to the CPU in whose queue the object waits; putting it in takes an owner of the object, and the
// next one comes only after it has been taken out again.
unsafe impl<Cpu> Send for ExitLink<Cpu> {}
// SAFETY: whoever has but a reference to the object cannot reach the cells: they are private to this module, which touches
// those of objects in the queue of the CPU that runs it.
unsafe impl<Cpu> Sync for ExitLink<Cpu> {}

impl<Cpu> ExitLink<Cpu> {
    /// A link that is in no queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: Cell::new(ptr::null()), run: Cell::new(None) }
    }
}

impl<Cpu> Default for ExitLink<Cpu> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Cpu> fmt::Debug for ExitLink<Cpu> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ExitLink")
    }
}

/// Ends that wait for one stage, in a list; what the pointers are means nothing while the stage is not pending.
struct Line<Cpu> {
    first: Cell<*const ExitLink<Cpu>>,
    last: Cell<*const ExitLink<Cpu>>,
}

/// The ends that wait on one CPU. Only that CPU touches it, with interrupts off.
pub struct ExitQueue<Cpu> {
    /// The stages where any wait, one bit each.
    pending: Cell<u32>,
    /// Those that wait for each stage.
    stages: [Line<Cpu>; STAGES],
    /// They are being run.
    draining: Cell<bool>,
    owns: PhantomData<Cpu>,
}

// SAFETY: it owns objects that may be sent, by pointers.
unsafe impl<Cpu> Send for ExitQueue<Cpu> {}

impl<Cpu> ExitQueue<Cpu> {
    /// Nothing ends.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            pending: Cell::new(0),
            stages: [const { Line { first: Cell::new(ptr::null()), last: Cell::new(ptr::null()) } }; STAGES],
            draining: Cell::new(false),
            owns: PhantomData,
        }
    }

    /// Whether anything waits for its end.
    #[must_use]
    #[inline(always)]
    pub const fn is_pending(&self) -> bool {
        self.pending.get() != 0
    }

    /// Whether ends are being run.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Has the object end when the handler is over. The caller gives up its reference; with interrupts off.
    #[inline(never)]
    pub fn put<E: End<Cpu = Cpu>>(&self, object: Arc<E::Object>) {
        // SAFETY: by the contract of `End` the link is there; the object comes from an `Arc`, whose reference the queue keeps.
        let link = unsafe { &*Arc::into_raw(object).byte_add(E::LINK).cast::<ExitLink<Cpu>>() };
        assert!(link.run.replace(Some(run::<E>)).is_none(), "an object waits for its end once");
        let Line { first, last } = &self.stages[E::STAGE as usize];
        let pending = self.pending.replace(self.pending.get() | 1 << E::STAGE as u32);
        if pending & 1 << E::STAGE as u32 == 0 {
            first.set(link);
        } else {
            // SAFETY: what is in the queue is kept alive by it.
            unsafe { (*last.get()).next.set(link) };
        }
        last.set(link);
    }

    /// Runs all ends, those that they bring as well. To be called with no lock held, and never from an end.
    pub fn drain(&self, cpu: &Cpu) {
        assert!(!self.draining.replace(true), "no end runs inside another");
        while let Some((run, link)) = self.take() {
            // SAFETY: `put` has paired the two, and the queue gives its reference to the object away.
            unsafe { run(link, cpu) };
        }
        self.draining.set(false);
    }

    /// What was going on here was cut off, and ends that wait are to be run all the same.
    pub fn begin_anew(&self) {
        self.draining.set(false);
    }

    fn take(&self) -> Option<(Run<Cpu>, *const ExitLink<Cpu>)> {
        let pending = self.pending.get();
        let Line { first, .. } = self.stages.get(pending.trailing_zeros() as usize)?;
        // SAFETY: what is in the queue is kept alive by it.
        let link = unsafe { &*first.get() };
        let next = link.next.replace(ptr::null());
        if next.is_null() {
            self.pending.set(pending & pending.wrapping_sub(1));
        }
        first.set(next);
        Some((link.run.take()?, link))
    }
}

/// # Safety
/// `link` is that of an `E::Object` in an `Arc`, a reference of which the caller gives up.
unsafe fn run<E: End>(link: *const ExitLink<E::Cpu>, cpu: &E::Cpu) {
    // SAFETY: by the contract, and that of `End`.
    E::run(unsafe { Arc::from_raw(link.byte_sub(E::LINK).cast()) }, cpu);
}

impl<Cpu> Default for ExitQueue<Cpu> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Cpu> fmt::Debug for ExitQueue<Cpu> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ExitQueue(stages: {:#b}, draining: {})", self.pending.get(), self.draining.get())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::vec::Vec;

    /// What stands for a CPU: its queue, and what has ended on it.
    #[derive(Default)]
    struct Machine {
        queue: ExitQueue<Machine>,
        ended: RefCell<Vec<(Stage, u32)>>,
    }

    /// Something whose end brings that of another, if there is one.
    struct Thing {
        number: u32,
        next: Option<Arc<Thing>>,
        link: ExitLink<Machine>,
    }

    // SAFETY: `next` is not touched by two.
    unsafe impl Sync for Thing {}

    macro_rules! way {
        ($name:ident) => {
            struct $name;
            // SAFETY: one link a thing; the tests put a thing in once.
            unsafe impl End for $name {
                type Object = Thing;
                type Cpu = Machine;
                const STAGE: Stage = Stage::$name;

                const LINK: usize = core::mem::offset_of!(Thing, link);

                fn run(thing: Arc<Thing>, machine: &Machine) {
                    assert!(machine.queue.is_draining());
                    machine.ended.borrow_mut().push((Self::STAGE, thing.number));
                    if let Some(next) = &thing.next {
                        machine.queue.put::<$name>(Arc::clone(next));
                    }
                }
            }
        };
    }
    way!(Object);
    way!(Thread);
    way!(Report);

    fn thing(number: u32, next: Option<Arc<Thing>>) -> Arc<Thing> {
        Arc::new(Thing { number, next, link: ExitLink::new() })
    }

    #[test]
    fn ends_run_by_stage_and_then_in_their_order() {
        let machine = Machine::default();
        assert!(!machine.queue.is_pending());
        machine.queue.put::<Report>(thing(1, None));
        machine.queue.put::<Thread>(thing(2, None));
        machine.queue.put::<Object>(thing(3, None));
        machine.queue.put::<Thread>(thing(4, None));
        assert!(machine.queue.is_pending() && machine.ended.borrow().is_empty(), "nothing ends where it is put");
        machine.queue.drain(&machine);
        let expected = [(Stage::Object, 3), (Stage::Thread, 2), (Stage::Thread, 4), (Stage::Report, 1)];
        assert_eq!(*machine.ended.borrow(), expected);
        assert!(!machine.queue.is_pending() && !machine.queue.is_draining());
    }

    #[test]
    fn a_long_chain_is_gone_through_without_a_stack_and_frees_all() {
        let machine = Machine::default();
        let last = thing(0, None);
        let first = (1..100_000).fold(Arc::clone(&last), |next, number| thing(number, Some(next)));
        machine.queue.put::<Thread>(first);
        machine.queue.drain(&machine);
        assert_eq!(machine.ended.borrow().len(), 100_000);
        assert_eq!(Arc::strong_count(&last), 1, "the queue keeps nothing");
    }

    #[test]
    fn what_an_end_brings_runs_before_later_stages() {
        let machine = Machine::default();
        machine.queue.put::<Report>(thing(9, None));
        machine.queue.put::<Object>(thing(1, Some(thing(2, None))));
        machine.queue.drain(&machine);
        assert_eq!(*machine.ended.borrow(), [(Stage::Object, 1), (Stage::Object, 2), (Stage::Report, 9)]);
    }

    #[test]
    #[should_panic(expected = "waits for its end once")]
    fn nothing_is_put_in_twice() {
        let machine = Machine::default();
        let twice = thing(1, None);
        machine.queue.put::<Object>(Arc::clone(&twice));
        machine.queue.put::<Object>(twice);
    }
}
