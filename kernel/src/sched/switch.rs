//! The switch: which frame to return through, and what of the CPU's state goes with it.

use alloc::sync::Arc;

use super::per_cpu::{COUNTS, EXIT_QUEUE, RUN_QUEUE, idle_frame};
use super::placement::look_for_work;
use super::ready::{hand_over_elsewhere, queue_current};
use super::slice::ensure_slice;
use super::{Next, Path};
use crate::arch::{
    Frame, NoMemoryForState, are_selectors_loaded, clear_selectors, fpu_allow, fpu_forbid, load_address_space,
    load_debug_registers, load_initial_fpu_state,
};
use crate::cpu::ThisCpu;
use crate::memory::{LOADED_ROOT, fallible};
use crate::sync::assert_no_locks_held;
use crate::thread::migratable::is_any_migratable;
use crate::thread::{LOADED_STATE, Thread, ThreadFlag};

/// Whether anything waits for its end here.
#[must_use]
#[inline(always)]
pub fn anything_ends(cpu: &ThisCpu) -> bool {
    EXIT_QUEUE.of(cpu).is_pending()
}

/// Runs all ends that wait here. The handler is over: no lock is held, and no reference to a thread is alive.
#[cold]
#[inline(never)]
pub fn run_ends(cpu: &ThisCpu) {
    assert_no_locks_held("the ends of threads, programs and objects");
    EXIT_QUEUE.of(cpu).drain(cpu);
}

/// Runs the ends that wait, chooses who runs and answers the frame to return through: a thread's, or the idle one. The handler
/// is over.
pub fn pick(cpu: &ThisCpu) -> *const Frame {
    if anything_ends(cpu) {
        run_ends(cpu);
    }
    if let Some(thread) = cpu.current() {
        // Somebody asked for a choice without giving up the CPU: the thread competes with the others.
        if RUN_QUEUE.of(cpu).nobody_from(thread.priority()) {
            return thread.frame_pointer();
        }
        queue_current(cpu);
    }
    match RUN_QUEUE.of(cpu).pop() {
        Some(thread) => {
            if !RUN_QUEUE.of(cpu).is_empty() {
                ensure_slice(cpu);
            }
            switch_to(cpu, thread)
        }
        None => idle(cpu),
    }
}

/// [`pick`] when no thread is on the CPU: as a rule nobody else is ready then.
#[inline(always)]
fn pick_anew(cpu: &ThisCpu) -> *const Frame {
    if RUN_QUEUE.of(cpu).is_empty() { idle(cpu) } else { pick(cpu) }
}

/// The idle frame for a CPU that idled and was interrupted: what idling needs has been seen to when it began. `None` if
/// somebody is ready.
#[inline(always)]
pub fn idle_on(cpu: &ThisCpu) -> Option<*const Frame> {
    RUN_QUEUE.of(cpu).is_empty().then(|| idle_frame(cpu))
}

/// The path from the running thread to one that waits; `None` for the slow one.
#[must_use]
#[inline(always)]
pub fn path_to(cpu: &ThisCpu, thread: &Thread) -> Option<Path> {
    let is_first = || RUN_QUEUE.of(cpu).nobody_above(thread.priority());
    Path::choose(thread.flags().at_a_glance(), cpu.index().get(), LOADED_STATE.of(cpu).plain_index(), is_first)
}

/// Makes a thread of this CPU the one that runs, past the run queue. No thread is on the CPU. The slice goes on: the
/// newcomer runs on the time of whoever made it ready.
#[inline(always)]
pub fn run_now(cpu: &ThisCpu, thread: Arc<Thread>) -> Next {
    Next::Switched(switch_to(cpu, thread))
}

/// From `previous`, which runs, to `next`, which is in no list, by the path that [`path_to`] has answered for it. A thread of this CPU
/// goes past the run queue, on the time of the one that gives way to it; for one of another CPU, this one goes on with whoever is
/// ready. `settle` gets both, the first as its new owner, before anybody else can find the other.
///
/// # Safety
/// `previous` is the CPU's `current_pointer`, and not null.
#[inline(always)]
pub unsafe fn give_way(
    cpu: &ThisCpu,
    path: Path,
    previous: *const Thread,
    next: Arc<Thread>,
    settle: impl FnOnce(&Thread, Arc<Thread>),
) -> *const Frame {
    if path == Path::Remote {
        let Some(previous) = detach_current(cpu) else { unreachable!("a running thread gives way") };
        settle(&next, previous);
        hand_over_elsewhere(cpu, next);
        return pick_anew(cpu);
    }
    load_root(cpu, &next);
    // SAFETY: this is the owning CPU, and the thread stays alive while it is on it.
    unsafe { cpu.set_privilege_stack(next.entry_top()) };
    // SAFETY: by the contract.
    let (previous, next) = unsafe { cpu.replace_current(previous, next) };
    if path == Path::Direct {
        // SAFETY: the one ran here and the other runs next; `ThreadFlag::BasesByMsr` is not set.
        unsafe { previous.bases().exchange(next.bases()) };
    } else {
        exchange_state(cpu, &previous, next);
    }
    COUNTS.of(cpu).count_switch();
    let frame = next.frame_pointer();
    settle(next, previous);
    frame
}

/// Loads the thread's page tables, unless they are loaded.
#[inline(always)]
fn load_root(cpu: &ThisCpu, thread: &Thread) {
    let root = thread.root();
    if LOADED_ROOT.of(cpu).root() != root {
        LOADED_ROOT.of(cpu).set_entering(root);
        // SAFETY: the root belongs to the thread's program, which lives as long as its threads; all roots map the kernel.
        unsafe { load_address_space(root) };
        LOADED_ROOT.of(cpu).set_root(root);
    }
}

/// All state of both threads that is in the processor.
#[inline(never)]
fn exchange_state(cpu: &ThisCpu, previous: &Thread, next: &Thread) {
    // SAFETY: the one ran here and the other runs next, and its bases are loaded last.
    unsafe {
        previous.bases().save();
        if are_selectors_loaded() {
            clear_selectors();
        }
        next.bases().load();
    }
    if LOADED_STATE.of(cpu).fpu_allowed() {
        // SAFETY: the unit was the thread's: TS is clear only then.
        unsafe { previous.fpu().save() };
    }
    load_state(cpu, next);
}

/// Loads the state of a thread that runs next that most threads have not, or takes away that of another one.
#[inline(never)]
fn load_state(cpu: &ThisCpu, thread: &Thread) {
    // Whatever thread runs, the unit holds its state: that of a thread that has never used it is the initial one.
    if thread.fpu().is_in_use() {
        set_fpu_allowed(cpu, true);
        // SAFETY: TS is clear, and whoever had the unit was saved when it left the CPU.
        unsafe { thread.fpu().restore() };
    } else if LOADED_STATE.of(cpu).fpu_allowed() {
        // SAFETY: TS is clear, and whoever had the unit was saved when it left the CPU.
        unsafe { load_initial_fpu_state() };
        set_fpu_allowed(cpu, false);
    }
    // Hardware breakpoints stay loaded when a thread leaves the CPU, until another one runs: they name user addresses, and
    // the kernel accesses none.
    let identity = thread.debug_registers().identity();
    if LOADED_STATE.of(cpu).debug_registers() != identity {
        LOADED_STATE.of(cpu).set_debug_registers(identity);
        // SAFETY: the thread runs next on this CPU.
        unsafe { load_debug_registers(thread.debug_registers()) };
    }
}

/// Makes the thread the one that runs here. No thread is on the CPU.
#[inline(always)]
fn switch_to(cpu: &ThisCpu, thread: Arc<Thread>) -> *const Frame {
    load_root(cpu, &thread);
    // SAFETY: this is the owning CPU, and the thread stays alive while it is on it.
    unsafe { cpu.set_privilege_stack(thread.entry_top()) };
    if are_selectors_loaded() {
        // SAFETY: who ran here was detached, with its bases saved, or is gone; the next one's are loaded below.
        unsafe { clear_selectors() };
    }
    // SAFETY: the thread runs next on this CPU.
    unsafe { thread.bases().load() };
    if !LOADED_STATE.of(cpu).is_plain() || thread.flags().has_state() {
        load_state(cpu, &thread);
    }
    COUNTS.of(cpu).count_switch();
    let frame = thread.frame_pointer();
    cpu.set_current(thread);
    frame
}

/// Nobody is ready: ring-3 entries cannot happen, and no program's tables may stay loaded that could go away.
fn idle(cpu: &ThisCpu) -> *const Frame {
    // SAFETY: this is the owning CPU.
    unsafe { cpu.clear_privilege_stack() };
    leave_address_space(cpu);
    if is_any_migratable() { idle_after_a_look(cpu) } else { idle_frame(cpu) }
}

/// A function of its own: so nothing has to be kept over the call where nobody is migratable.
#[cold]
#[inline(never)]
fn idle_after_a_look(cpu: &ThisCpu) -> *const Frame {
    look_for_work(cpu);
    idle_frame(cpu)
}

/// Loads the kernel's own tables.
pub(super) fn leave_address_space(cpu: &ThisCpu) {
    let root = LOADED_ROOT.of(cpu).kernel_root();
    if LOADED_ROOT.of(cpu).root() != root {
        // SAFETY: the kernel's own tables live for ever.
        unsafe { load_address_space(root) };
        LOADED_ROOT.of(cpu).set_kernel_root(root);
        // Only now: until then this CPU had the program's.
        LOADED_ROOT.of(cpu).set_entering(root);
    }
}

/// Takes the running thread off the CPU, with all its state saved: it can go on anywhere.
#[must_use]
#[inline(always)]
pub fn detach_current(cpu: &ThisCpu) -> Option<Arc<Thread>> {
    let thread = cpu.take_current()?;
    // SAFETY: the thread is the one that ran here.
    unsafe { thread.bases().save() };
    if LOADED_STATE.of(cpu).fpu_allowed() {
        // SAFETY: the unit was the thread's: TS is clear only then.
        unsafe { thread.fpu().save() };
    }
    Some(thread)
}

/// Takes the running thread off the CPU for good, with nothing saved and its address space left.
#[must_use]
pub fn forget_current(cpu: &ThisCpu) -> Option<Arc<Thread>> {
    let thread = cpu.take_current()?;
    // SAFETY: this is the owning CPU.
    unsafe { cpu.clear_privilege_stack() };
    leave_address_space(cpu);
    Some(thread)
}

/// Gives the running thread the floating-point unit for the first time.
///
/// # Errors
/// [`NoMemoryForState`] if the kernel heap has no room for its state.
pub fn give_fpu(cpu: &ThisCpu) -> Result<(), NoMemoryForState> {
    let Some(thread) = cpu.current() else { return Ok(()) };
    // SAFETY: `zeroed` answers such memory.
    unsafe { thread.fpu().prepare(|layout| fallible::zeroed(layout).ok()) }?;
    thread.flags().put(ThreadFlag::FloatingPoint, true);
    set_fpu_allowed(cpu, true);
    // SAFETY: TS is clear, and whoever had the unit was saved when it left the CPU.
    unsafe { thread.fpu().restore() };
    Ok(())
}

#[inline(always)]
fn set_fpu_allowed(cpu: &ThisCpu, allowed: bool) {
    if LOADED_STATE.of(cpu).set_fpu_allowed(allowed) == allowed {
        return;
    }
    if allowed {
        fpu_allow();
    } else {
        fpu_forbid();
    }
}
