//! CPUs that begin in a bad state on request: so that tests see what becomes of it in the kernel that is shipped.

use gatehouse_abi::TestHook;

use crate::arch::dirty_processor_state;
use crate::facts::facts;

/// Puts other values into all registers of the calling CPU that the kernel is about to set, if the command line has
/// [`TestHook::WORD`] and `dirty-state`.
pub fn dirty_if_wanted() {
    let mut words = facts().command_line.split_whitespace();
    if words.clone().any(|word| word == "dirty-state") && words.any(|word| word == TestHook::WORD) {
        // SAFETY: the caller is about to set all of it.
        unsafe { dirty_processor_state() };
    }
}
