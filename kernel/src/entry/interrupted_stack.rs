//! Which stack the interrupted kernel code was running on.

use core::ptr::addr_of;

use percpu::Stack;

use crate::arch::{Frame as TrapFrame, Origin, TrapFrame as _};
use crate::cpu::Cpu;

unsafe extern "C" {
    static syscall_entry_off_users_stack: u8;
    static leave_on_users_stack: u8;
    static leave_off_users_stack: u8;
}

/// Whether RSP was the program's choice when `frame` was made, which then says nothing: ring 3 ran, or the first instructions
/// behind SYSCALL, or the last ones before SYSRET.
#[must_use]
pub fn runs_on_users_stack(frame: &TrapFrame) -> bool {
    let at = frame.instruction_pointer();
    let syscall_entry = super::syscall_entry::syscall_entry as *const () as u64;
    frame.origin() == Origin::User
        || (syscall_entry..addr_of!(syscall_entry_off_users_stack) as u64).contains(&at)
        || (addr_of!(leave_on_users_stack) as u64..addr_of!(leave_off_users_stack) as u64).contains(&at)
}

/// The IST stack of this CPU, whose block is `block`, that the interrupted kernel code was running on.
pub(super) fn ist_stack_of(block: Cpu, frame: &TrapFrame) -> Option<Stack> {
    block.ist_stack_of(frame.stack_pointer()).filter(|_| !runs_on_users_stack(frame))
}
