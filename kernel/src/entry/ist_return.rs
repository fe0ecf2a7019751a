//! How the IST entry goes back to what was interrupted.
//!
//! Two things decide. `iretq` lets the next NMI in, whoever executes it; so it must not be executed while an NMI's frame is
//! live, but by the NMI that owns it. And a machine check whose hardware is told that it is over may be followed by the next
//! one at once; so nothing may then be needed of the stack that the TSS names.
//!
//! | went in | interrupted | goes back |
//! | --- | --- | --- |
//! | NMI | anything | by `iretq` from where it is |
//! | #DB | no IST stack | by `iretq` from where it is |
//! | #DB | an IST stack | by `ret` |
//! | #MC | no IST stack | by `iretq` from the machine check return stack |
//! | #MC | an IST stack | by `ret` from that stack, below what is in use |
//!
//! A frame on the machine check return stack is the only one there: while it is live nothing runs but code on IST stacks, this one
//! included, and machine checks go back to that by `ret`.

use super::interrupted_stack::ist_stack_of;
use crate::arch::Frame as TrapFrame;
use crate::cpu::Cpu;

/// What the entry does with the frame.
pub(super) mod how {
    /// Goes back through it, by `iretq`.
    pub const BACK: i32 = 0;
    /// Goes on with it as with an ordinary trap: it lies in a thread's save area.
    pub const ORDINARY: i32 = -1;
    /// Goes back by `pop rax`, `popfq`, `ret` from the frame's RSP.
    pub const BY_RET: i32 = 1;
    /// First tells the hardware that the machine check is over.
    pub const MACHINE_CHECK: i32 = 2;
}

/// The answer to the entry: in RAX and EDX.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Way {
    frame: *mut TrapFrame,
    how: i32,
}

/// What must be left of a stack, in bytes, for somebody to go back to code that runs there. What is put there is below 500
/// bytes; the rest is for telling of a machine check.
const ROOM: u64 = 4096;

/// How far below the interrupted RSP nothing is written: `lea rsp, …` in the ways out leaves words of the frame that are still
/// read below it, at most a frame's length.
const KEPT: u64 = 256;
const _: () = assert!(KEPT as usize >= size_of::<TrapFrame>());

impl Way {
    /// Back through the frame where it is.
    pub(super) fn back(frame: &mut TrapFrame) -> Self {
        Self { frame, how: how::BACK }
    }

    /// On with the copy of the frame in a thread's save area.
    pub(super) const fn ordinary(copy: *mut TrapFrame) -> Self {
        Self { frame: copy, how: how::ORDINARY }
    }

    /// Back from #DB. `None` if the interrupted stack has no room.
    pub(super) fn back_from_debug(block: Cpu, frame: &mut TrapFrame) -> Option<Self> {
        let Some(stack) = ist_stack_of(block, frame) else { return Some(Self::back(frame)) };
        room_below(frame, stack.base())?;
        // SAFETY: the stack is this CPU's own and has room; the words in reach are no longer read, see `KEPT`.
        unsafe { frame.return_by_ret() };
        Some(Self { frame, how: how::BY_RET })
    }

    /// Back from #MC, from another stack than its own. `None` if the interrupted stack has no room.
    pub(super) fn back_from_machine_check(block: Cpu, frame: &TrapFrame) -> Option<Self> {
        let mut copy = *frame;
        let Some(stack) = ist_stack_of(block, frame) else {
            let place = (block.machine_check_return() - size_of::<TrapFrame>() as u64) as *mut TrapFrame;
            // SAFETY: the stack is this CPU's own, and nothing is live there: see the head of this file.
            unsafe { place.write(copy) };
            return Some(Self { frame: place, how: how::BACK | how::MACHINE_CHECK });
        };
        let place = room_below(frame, stack.base())?;
        // SAFETY: as in `back_from_debug`.
        unsafe { copy.return_by_ret() };
        // SAFETY: mapped memory of the interrupted stack that is not in use, a multiple of 16.
        unsafe { place.write(copy) };
        Some(Self { frame: place, how: how::BY_RET | how::MACHINE_CHECK })
    }
}

/// The place for a copy of the frame on the stack, from `base` up, that was interrupted.
fn room_below(frame: &TrapFrame, base: u64) -> Option<*mut TrapFrame> {
    use crate::arch::TrapFrame as _;
    let place = frame.stack_pointer().checked_sub(KEPT + size_of::<TrapFrame>() as u64)? & !15;
    (place >= base.checked_add(ROOM)?).then_some(place as *mut TrapFrame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_lies_below_what_is_kept_and_needs_room() {
        let mut frame = TrapFrame::recorded(18, 0, 8, 0xffff_ffff_8020_0000);
        for pointer in (0x8000..0x8040).step_by(8) {
            frame.set_stack_pointer_unchecked(pointer);
            let place = room_below(&frame, 0x4000).unwrap() as u64;
            assert!(
                place.is_multiple_of(16) && place + size_of::<TrapFrame>() as u64 + KEPT <= pointer,
                "{pointer:#x}"
            );
            assert!(room_below(&frame, place - ROOM).is_some());
            assert!(room_below(&frame, place - ROOM + 16).is_none());
        }
        frame.set_stack_pointer_unchecked(8);
        assert!(room_below(&frame, 0).is_none());
    }
}
