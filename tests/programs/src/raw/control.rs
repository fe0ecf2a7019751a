//! Programs and threads: ending and stopping.

use gatehouse_runtime::abi::Error;
use gatehouse_runtime::capability::{Program, Slot, Thread};

const fn thread(slot: u64) -> Thread {
    Thread::from_slot(Slot::new(slot))
}

/// See [`Program::kill`].
///
/// # Errors
/// As there.
pub fn kill_program(slot: u64) -> Result<u64, Error> {
    Program::from_slot(Slot::new(slot)).kill().map(|()| 0)
}

/// See [`Thread::suspend`].
///
/// # Errors
/// As there.
pub fn suspend_thread(slot: u64) -> Result<u64, Error> {
    thread(slot).suspend().map(|()| 0)
}

/// See [`Thread::set_priority`].
///
/// # Errors
/// As there.
pub fn set_priority(slot: u64, priority: u64) -> Result<u64, Error> {
    thread(slot).set_priority(priority).map(|()| 0)
}
