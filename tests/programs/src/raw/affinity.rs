//! Where threads may run.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::Error;
use gatehouse_runtime::affinity;
pub use gatehouse_runtime::affinity::CpuSet;
use gatehouse_runtime::capability::{Slot, Thread};

/// The calling thread, in place of a slot.
pub const THIS_THREAD: u64 = Slot::NONE.number();

const fn thread(slot: u64) -> Thread {
    Thread::from_slot(Slot::new(slot))
}

/// See [`Kernel::set_affinity`].
///
/// # Errors
/// As there.
pub fn set_bytes(slot: u64, address: u64, length: u64) -> Result<u64, Error> {
    Kernel::set_affinity(thread(slot), address, length)
}

/// See [`affinity::set`].
///
/// # Errors
/// As there.
pub fn set<const WORDS: usize>(slot: u64, cpus: &CpuSet<WORDS>) -> Result<u64, Error> {
    affinity::set(thread(slot), cpus).map(|()| 0)
}

/// See [`affinity::allow_every_cpu`].
///
/// # Errors
/// As there.
pub fn allow_every_cpu(slot: u64) -> Result<u64, Error> {
    affinity::allow_every_cpu(thread(slot)).map(|()| 0)
}

/// See [`affinity::of`].
///
/// # Errors
/// As there.
pub fn of<const WORDS: usize>(slot: u64) -> Result<CpuSet<WORDS>, Error> {
    affinity::of(thread(slot))
}
