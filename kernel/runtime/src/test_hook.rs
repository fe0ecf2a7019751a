//! Traps in the kernel on request; see `docs/testing.md`.

use crate::abi::{Error, SystemCall, TestHook};
use crate::entry_point::{EntryPoint, Syscall};

/// Lets the kernel raise a trap in itself. Most hooks end the machine.
///
/// # Safety
/// The kernel does what the hook says: a store goes to the address given.
///
/// # Errors
/// [`Error::NotPermitted`] unless the kernel's command line has the word [`TestHook::WORD`]; [`Error::InvalidArgument`].
pub unsafe fn test_hook(hook: TestHook, argument: u64) -> Result<u64, Error> {
    // SAFETY: by the contract.
    Error::from_register(unsafe { Syscall::call(SystemCall::TestHook, [hook as u64, argument, 0, 0, 0, 0]) })
}
