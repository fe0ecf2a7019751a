//! Frames that a fault is given to: one that the processor refused to return through, one whose trap is made up, one of the
//! kernel at an instruction that may be refused.

use percpu::{KERNEL_CODE, USER_CODE, USER_DATA};

use super::TrapFrame;

impl TrapFrame {
    /// Makes this frame, which the processor has refused to return through, that of the trap by which it did so: with the
    /// general registers and the error code of `fault`, and with values that are not refused again.
    pub(crate) fn become_refused(&mut self, fault: &Self) {
        self.general = fault.general;
        self.code_segment = u64::from(USER_CODE.0);
        self.stack_segment = u64::from(USER_DATA.0);
        self.set_instruction_pointer(self.instruction_pointer);
        self.set_stack_pointer(self.stack_pointer);
        self.set_flags(self.flags);
        self.set_trap(fault.vector, fault.error_code);
    }

    /// Makes the kernel go on at `behind`, if this is a frame of the kernel and it is at one of `sites`; `false` if not.
    pub(crate) fn go_on_in_kernel(&mut self, sites: [u64; 2], behind: u64) -> bool {
        let is_there = self.code_segment == u64::from(KERNEL_CODE.0) && sites.contains(&self.instruction_pointer);
        if is_there {
            self.instruction_pointer = behind;
        }
        is_there
    }

    /// Sets what the stub and the processor push for a trap.
    pub(crate) fn set_trap(&mut self, vector: u64, error_code: u64) {
        self.vector = vector;
        self.error_code = error_code;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FIXED_FLAGS, NO_VECTOR, USER_FLAGS};
    use super::*;
    use crate::arch::TrapFrame as _;

    #[test]
    fn only_the_kernel_at_a_listed_instruction_goes_on_behind_it() {
        let sites = [0xffff_ffff_8020_0010, 0xffff_ffff_8020_0020];
        let behind = 0xffff_ffff_8020_0030;
        for (segment, at, listed) in [
            (8, sites[0], true),
            (8, sites[1], true),
            (8, sites[1] + 2, false),
            (0x23, sites[0], false),
            (0x23, 0x40_0000, false),
        ] {
            let mut frame = TrapFrame::recorded(13, 0, segment, at);
            assert_eq!(frame.go_on_in_kernel(sites, behind), listed, "{segment:#x} {at:#x}");
            assert_eq!(frame.instruction_pointer(), if listed { behind } else { at });
        }
    }

    #[test]
    fn a_refused_frame_becomes_one_that_is_not() {
        let mut frame = TrapFrame { stack_segment: 0, ..TrapFrame::recorded(NO_VECTOR, 0, 3, 1 << 47) };
        frame.flags = u64::MAX;
        frame.stack_pointer = 1 << 63;
        let mut fault = TrapFrame::recorded(13, 0x30, 8, 0xffff_ffff_8020_0000);
        fault.general.rax = 5;
        frame.become_refused(&fault);
        assert_eq!((frame.vector(), frame.error_code(), frame.general.rax), (13, 0x30, 5));
        assert_eq!((frame.code_segment(), frame.stack_segment()), (0x23, 0x1b));
        assert_eq!((frame.instruction_pointer(), frame.stack_pointer()), (0, 0));
        assert_eq!(frame.flags() & !USER_FLAGS, FIXED_FLAGS);
    }
}
