//! Whose instruction the decoder looks into: the running thread's, or the kernel's own.

use gatehouse_core::memory::layout::PAGE_SIZE;
use x86_64::registers::model_specific::FsBase;

use crate::arch::{Frame as TrapFrame, INSTRUCTIONS, Interrupted, Question, TrapFrame as _};
use crate::cpu::{self, ThisCpu};
use crate::swap;
use crate::user_copy;

/// Asks what the instruction of the running thread accessed. Its bytes are read through the program's page tables, as
/// many as are mapped.
pub(super) fn of_thread<Answer>(frame: &TrapFrame, question: Question<Answer>) -> Option<Answer> {
    let cpu = cpu::this();
    let thread = cpu.current()?;
    // SAFETY: the thread runs here, so the CPU holds its bases.
    unsafe { thread.bases().save() };
    let read = |address: u64, target: &mut [u8]| user_copy::read(thread.program(), address, target).is_ok();
    let interrupted = Interrupted { frame, fs_base: thread.bases().fs(), gs_base: thread.bases().gs(), read: &read };
    let answer = question(INSTRUCTIONS.of(&cpu).borrow_mut().as_mut()?, &interrupted);
    if answer.is_some() {
        swap::forget_swap_error(&cpu);
    }
    answer
}

/// Asks what the instruction of the kernel accessed. The kernel is about to lock down, so nothing is touched that might
/// fail again: only bytes of its own code and of this CPU's interrupt stack are read. `None` too when the trap happened in
/// the decoder itself.
pub(super) fn of_kernel<Answer>(frame: &TrapFrame, question: Question<Answer>) -> Option<Answer> {
    let cpu = cpu::this();
    let read = |address: u64, target: &mut [u8]| {
        let readable = is_readable(&cpu, frame, address, target.len() as u64);
        if readable {
            // SAFETY: the bytes are mapped, and nobody writes to code; words of the stack are this CPU's own.
            unsafe { (address as *const u8).copy_to_nonoverlapping(target.as_mut_ptr(), target.len()) };
        }
        readable
    };
    let gs_base = core::ptr::from_ref(&*cpu) as u64;
    let interrupted = Interrupted { frame, fs_base: FsBase::read().as_u64(), gs_base, read: &read };
    question(INSTRUCTIONS.of(&cpu).try_borrow_mut().ok()?.as_mut()?, &interrupted)
}

/// Whether the kernel may read these bytes, whatever has happened to it.
fn is_readable(cpu: &ThisCpu, frame: &TrapFrame, address: u64, length: u64) -> bool {
    let Some(last) = address.checked_add(length - 1) else { return false };
    let within = |start: u64, end: u64| start <= address && last < end;
    let stack = cpu.interrupt_stack();
    // The processor has just fetched the instruction from its page.
    let page = frame.instruction_pointer() & !(PAGE_SIZE - 1);
    within(stack.base(), stack.top()) || within(page, page.saturating_add(PAGE_SIZE)) || is_code(&within)
}

#[cfg(target_os = "none")]
fn is_code(within: &dyn Fn(u64, u64) -> bool) -> bool {
    let text = crate::memory::boot_info::ImageSegments::of_this_image().text;
    within(text.start, text.end)
}

/// On the host there is no image.
#[cfg(not(target_os = "none"))]
fn is_code(_within: &dyn Fn(u64, u64) -> bool) -> bool {
    false
}
