//! What is to end on one CPU, until the road gets to it.
//!
//! The end of a thread, a program or an object can bring that of others, along chains that programs make as long as they
//! like, and the last reference may be dropped anywhere: in the middle of a system call, under a lock, inside a wake-up. So
//! nothing ends where its last reference goes. It is put here, and [`trap_main`](crate::trap::trap_main) runs all ends when the
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
/// [`Self::link`] leads to a link inside the object, always the same, which only ends of this way and of others use that
/// never wait at the same time.
pub unsafe trait End {
    /// What ends.
    type Object: Send + Sync + 'static;
    /// What the end is run with: a token of the CPU.
    type Cpu;
    /// When it runs.
    const STAGE: Stage;

    /// The link of the object.
    fn link(object: &Self::Object) -> &ExitLink<Self::Cpu>;

    /// Ends the object. Called with no lock held.
    fn run(object: Arc<Self::Object>, cpu: &Self::Cpu);
}

/// What an object needs to wait for its end.
pub struct ExitLink<Cpu> {
    next: Cell<*const ExitLink<Cpu>>,
    object: Cell<*const ()>,
    /// Runs the end of the object, which it owns from then on.
    run: Cell<Option<unsafe fn(*const (), &Cpu)>>,
}

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
        Self { next: Cell::new(ptr::null()), object: Cell::new(ptr::null()), run: Cell::new(None) }
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

/// The ends that wait on one CPU. Only that CPU touches it, with interrupts off.
pub struct ExitQueue<Cpu> {
    /// How many wait.
    waiting: Cell<usize>,
    /// First and last of each stage; null for none.
    stages: [(Cell<*const ExitLink<Cpu>>, Cell<*const ExitLink<Cpu>>); STAGES],
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
            waiting: Cell::new(0),
            stages: [const { (Cell::new(ptr::null()), Cell::new(ptr::null())) }; STAGES],
            draining: Cell::new(false),
            owns: PhantomData,
        }
    }

    /// Whether anything waits for its end.
    #[must_use]
    #[inline(always)]
    pub const fn is_pending(&self) -> bool {
        self.waiting.get() != 0
    }

    /// Whether ends are being run.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Has the object end when the handler is over. The caller gives up its reference; with interrupts off.
    #[inline(never)]
    pub fn put<E: End<Cpu = Cpu>>(&self, object: Arc<E::Object>) {
        let object = Arc::into_raw(object);
        // SAFETY: it comes from an `Arc`, whose reference the queue keeps.
        let link = E::link(unsafe { &*object });
        assert!(link.run.get().is_none(), "an object waits for its end once");
        link.next.set(ptr::null());
        link.object.set(object.cast());
        link.run.set(Some(run::<E>));
        let (first, last) = &self.stages[E::STAGE as usize];
        match last.replace(link) {
            before if before.is_null() => first.set(link),
            // SAFETY: what is in the queue is kept alive by it.
            before => unsafe { (*before).next.set(link) },
        }
        self.waiting.set(self.waiting.get() + 1);
    }

    /// Runs all ends, those that they bring as well. To be called with no lock held, and never from an end.
    pub fn drain(&self, cpu: &Cpu) {
        assert!(!self.draining.replace(true), "no end runs inside another");
        while let Some((run, object)) = self.take() {
            // SAFETY: `put` has paired the two, and the queue gives its reference to the object away.
            unsafe { run(object, cpu) };
        }
        self.draining.set(false);
    }

    /// What was going on here was cut off, and ends that wait are to be run all the same.
    pub fn begin_anew(&self) {
        self.draining.set(false);
    }

    fn take(&self) -> Option<(unsafe fn(*const (), &Cpu), *const ())> {
        let (first, last) = self.stages.iter().find(|(first, _)| !first.get().is_null())?;
        // SAFETY: what is in the queue is kept alive by it.
        let link = unsafe { &*first.get() };
        first.set(link.next.replace(ptr::null()));
        if first.get().is_null() {
            last.set(ptr::null());
        }
        self.waiting.set(self.waiting.get() - 1);
        Some((link.run.take()?, link.object.replace(ptr::null())))
    }
}

/// # Safety
/// `object` is a reference of an `Arc<E::Object>`, which the caller gives up.
unsafe fn run<E: End>(object: *const (), cpu: &E::Cpu) {
    // SAFETY: by the contract.
    E::run(unsafe { Arc::from_raw(object.cast()) }, cpu);
}

impl<Cpu> Default for ExitQueue<Cpu> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Cpu> fmt::Debug for ExitQueue<Cpu> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ExitQueue({} wait, draining: {})", self.waiting.get(), self.draining.get())
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

                fn link(thing: &Thing) -> &ExitLink<Machine> {
                    &thing.link
                }

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
