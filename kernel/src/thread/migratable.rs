//! Which threads may run on several CPUs, and the masks by which CPUs that have nothing to do are found: for the scheduler, which
//! places them.

use percpu::CpuIndex;
use spin::Once;

use crate::cpu;
use crate::memory::LOADED_ROOT;
use gatehouse_core::sched::placement::{LoadMasks, MigratableThreads};

/// Made once, before any thread.
static LOAD_MASKS: Once<LoadMasks> = Once::new();
static MIGRATABLE: MigratableThreads = MigratableThreads::none();

/// Makes the masks for so many CPUs.
pub fn install_load_masks(cpus: usize) {
    LOAD_MASKS.call_once(|| LoadMasks::new(cpus));
}

/// The masks.
///
/// # Panics
/// Before it is made.
#[must_use]
pub fn load_masks() -> &'static LoadMasks {
    let Some(load_masks) = LOAD_MASKS.get() else { unreachable!("it is made before any thread") };
    load_masks
}

/// Whether there is a thread that may run on several CPUs.
#[must_use]
#[inline(always)]
pub fn is_any_migratable() -> bool {
    MIGRATABLE.is_any()
}

/// One more thread may run on several CPUs.
pub fn migratable_begins() {
    MIGRATABLE.one_more(LOAD_MASKS.get());
}

/// One thread less may run on several CPUs.
pub fn migratable_ends() {
    MIGRATABLE.one_less();
}

/// Whether a CPU is online and has nothing to run; out of date at once.
#[must_use]
pub fn is_idle(index: CpuIndex) -> bool {
    cpu::by_index(index).is_some_and(|cpu| LOADED_ROOT.of(cpu).is_idle())
}
