//! The trap frame: a thread's saved context, laid out by the processor and the entry code together.
//!
//! ```text
//!   save area end = TSS.rsp0 ──►┌──────────────┐ multiple of 16
//!                               │ SS           │ ┐
//!                               │ RSP          │ │ pushed by the processor,
//!                               │ RFLAGS       │ │ or by the SYSCALL entry in the same order
//!                               │ CS           │ │
//!                               │ RIP          │ ┘
//!                               │ error code   │   by the processor for some vectors, else 0 by the stub
//!                               │ vector       │   by the stub
//!                               │ RDI … R15    │   by the save sequence
//!              &TrapFrame ─────►└──────────────┘
//! ```

mod by_ret;
mod refused;

use core::mem::offset_of;

use gatehouse_abi::{MessageTag, ThreadRegisters};
use gatehouse_core::memory::layout::USER_END;
use percpu::{EntryCounters, KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA};

use super::general_registers::GeneralRegisters;
use super::vectors;
use crate::arch::Origin;

/// A saved context. Fields that decide privilege are private: see the setters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct TrapFrame {
    /// The general registers but RSP.
    pub general: GeneralRegisters,
    vector: u64,
    error_code: u64,
    instruction_pointer: u64,
    code_segment: u64,
    flags: u64,
    stack_pointer: u64,
    stack_segment: u64,
}

/// Offsets into the frame, for assembly.
pub mod offsets {
    use super::{TrapFrame, offset_of};

    /// RCX.
    pub const RCX: usize = offset_of!(TrapFrame, general.rcx);
    /// R11.
    pub const R11: usize = offset_of!(TrapFrame, general.r11);
    /// Where the vector lies: right behind the general registers.
    pub const VECTOR: usize = offset_of!(TrapFrame, vector);
    /// The error code.
    pub const ERROR_CODE: usize = offset_of!(TrapFrame, error_code);
    /// RIP.
    pub const INSTRUCTION_POINTER: usize = offset_of!(TrapFrame, instruction_pointer);
    /// CS.
    pub const CODE_SEGMENT: usize = offset_of!(TrapFrame, code_segment);
    /// RFLAGS.
    pub const FLAGS: usize = offset_of!(TrapFrame, flags);
    /// RSP.
    pub const STACK_POINTER: usize = offset_of!(TrapFrame, stack_pointer);
    /// SS.
    pub const STACK_SEGMENT: usize = offset_of!(TrapFrame, stack_segment);
    /// RBP.
    pub const FRAME_POINTER: usize = offset_of!(TrapFrame, general.rbp);
    /// Bytes in all.
    pub const SIZE: usize = size_of::<TrapFrame>();
}

// The processor pushes SS, RSP, RFLAGS, CS, RIP and the error code downward from the end, eight bytes each.
const _: () = assert!(offsets::STACK_SEGMENT == offsets::SIZE - 8);
const _: () = assert!(offsets::STACK_POINTER == offsets::SIZE - 16);
const _: () = assert!(offsets::FLAGS == offsets::SIZE - 24);
const _: () = assert!(offsets::CODE_SEGMENT == offsets::SIZE - 32);
const _: () = assert!(offsets::INSTRUCTION_POINTER == offsets::SIZE - 40);
const _: () = assert!(offsets::ERROR_CODE == offsets::SIZE - 48);
const _: () = assert!(offsets::VECTOR == offsets::SIZE - 56);
// Entries make room for the general registers by moving RSP from the vector to the frame's start.
const _: () = assert!(size_of::<GeneralRegisters>() == offsets::VECTOR && offset_of!(TrapFrame, general) == 0);
// A frame that ends on a multiple of 16 begins on one, so that RSP is aligned for the call to Rust.
const _: () = assert!(offsets::SIZE.is_multiple_of(16) && align_of::<TrapFrame>() == 16);

/// The vector word of a frame that SYSCALL made: such a thread may be resumed by SYSRET, which destroys RCX and R11.
pub const SYSCALL_VECTOR: u64 = EntryCounters::SYSCALL as u64;
/// The vector word of a frame that no trap made, or that SYSCALL made and whose registers were changed: leaves by `iretq`.
pub const NO_VECTOR: u64 = SYSCALL_VECTOR + 1;

/// RFLAGS bits that ring 3 may choose: CF PF AF ZF SF TF DF OF NT RF AC ID.
const USER_FLAGS: u64 = 0x0025_4DD5;
/// RFLAGS.RF: no instruction breakpoint stops the next instruction (Intel SDM volume 3, "Instruction-Breakpoint
/// Exception Condition").
const RESUME_FLAG: u64 = 1 << 16;
/// RFLAGS bits that ring 3 always has: the reserved bit 1, and IF.
const FIXED_FLAGS: u64 = 0x202;
/// What a new thread starts with.
pub const INITIAL_FLAGS: u64 = FIXED_FLAGS;
/// The length of both instructions that make system calls: `syscall` (0F 05) and `int 0x80` (CD 80).
const SYSTEM_CALL_BYTES: u64 = 2;

impl TrapFrame {
    /// A frame that enters ring 3 with all registers zero. Addresses outside the user half become 0, which faults at
    /// once, in ring 3.
    #[must_use]
    pub fn user(entry: u64, stack_pointer: u64) -> Self {
        let mut frame = Self {
            general: GeneralRegisters::ZERO,
            vector: NO_VECTOR,
            error_code: 0,
            instruction_pointer: 0,
            code_segment: u64::from(USER_CODE.0),
            flags: INITIAL_FLAGS,
            stack_pointer: 0,
            stack_segment: u64::from(USER_DATA.0),
        };
        frame.set_instruction_pointer(entry);
        frame.set_stack_pointer(stack_pointer);
        frame
    }

    /// A frame that continues in the kernel with interrupts off, on an empty stack.
    ///
    /// # Safety
    /// Whoever returns through it runs `entry` on the stack that ends at `stack_top`: both must be the kernel's.
    #[must_use]
    pub unsafe fn kernel(entry: u64, stack_top: u64) -> Self {
        Self {
            general: GeneralRegisters::ZERO,
            vector: NO_VECTOR,
            error_code: 0,
            instruction_pointer: entry,
            code_segment: u64::from(KERNEL_CODE.0),
            flags: 2,
            stack_pointer: stack_top,
            stack_segment: u64::from(KERNEL_DATA.0),
        }
    }

    /// The processor's number of the trap; [`SYSCALL_VECTOR`] for SYSCALL.
    #[must_use]
    #[inline(always)]
    pub const fn vector(&self) -> u64 {
        self.vector
    }

    /// By what the trap came in, as counters and reports call it; "nothing yet" for a frame that no trap made.
    #[must_use]
    pub fn entry_name(&self) -> &'static str {
        match self.vector {
            SYSCALL_VECTOR => "SYSCALL",
            number => u8::try_from(number).map_or("nothing yet", |number| vectors::vector(number).name),
        }
    }

    /// The processor's error code; 0 when the vector has none. Behind SYSCALL, whatever the trap before left.
    #[must_use]
    #[inline(always)]
    pub const fn error_code(&self) -> u64 {
        self.error_code
    }

    /// Sets what reports tell as the error code. The processor takes none back.
    pub fn set_error_code(&mut self, error_code: u64) {
        self.error_code = error_code;
    }

    /// CS.
    #[must_use]
    pub const fn code_segment(&self) -> u64 {
        self.code_segment
    }

    /// SS.
    #[must_use]
    pub const fn stack_segment(&self) -> u64 {
        self.stack_segment
    }

    /// RFLAGS.
    #[must_use]
    pub const fn flags(&self) -> u64 {
        self.flags
    }

    /// Sets RIP for ring 3; an address outside the user half becomes 0. `iretq` then cannot fault.
    pub fn set_instruction_pointer(&mut self, address: u64) {
        self.instruction_pointer = if address < USER_END { address } else { 0 };
        self.leave_by_iret();
    }

    /// Sets RSP for ring 3; an address past the user half becomes 0.
    pub fn set_stack_pointer(&mut self, address: u64) {
        self.stack_pointer = if address <= USER_END { address } else { 0 };
        self.leave_by_iret();
    }

    /// Sets RFLAGS for ring 3: bits that are not the user's keep their fixed values.
    pub fn set_flags(&mut self, flags: u64) {
        self.flags = (flags & USER_FLAGS) | FIXED_FLAGS;
        self.leave_by_iret();
    }

    /// Marks that the registers were changed by somebody else: all of them must come back, RCX and R11 too. A frame that a
    /// trap made leaves by `iretq` in any case and still says which trap that was.
    pub fn leave_by_iret(&mut self) {
        if self.vector == SYSCALL_VECTOR {
            self.vector = NO_VECTOR;
        }
    }

    /// Notes why the processor raised #DB. The status becomes the error code, of which #DB has none. Behind an instruction
    /// breakpoint, which is reported before the instruction, the instruction is let pass when the thread goes on.
    pub fn set_debug_status(&mut self, status: u64, at_instruction_breakpoint: bool) {
        self.error_code = status;
        if at_instruction_breakpoint {
            self.flags |= RESUME_FLAG;
        }
    }

    /// Whether the frame's last trap was #BP or #DB; what is true of a frame that its thread may be using can be false a
    /// moment later.
    ///
    /// # Safety
    /// The frame exists. Others may write to it meanwhile.
    #[must_use]
    pub unsafe fn may_be_breakpoint(frame: *const Self) -> bool {
        // SAFETY: one volatile read of an aligned word sees it before or after any write; the caller says that it exists.
        let vector = unsafe { (&raw const (*frame).vector).read_volatile() };
        vector == u64::from(vectors::BREAKPOINT) || vector == u64::from(vectors::DEBUG)
    }

    /// The registers, for a debugger or fault handler. FS and GS bases are not in a frame and read as 0.
    #[must_use]
    pub fn registers(&self) -> ThreadRegisters {
        let mut general = self.general;
        if self.vector == SYSCALL_VECTOR {
            // The entry saves neither: SYSCALL left these in them.
            (general.rcx, general.r11) = (self.instruction_pointer, self.flags);
        }
        ThreadRegisters {
            general: [
                general.r15,
                general.r14,
                general.r13,
                general.r12,
                general.rbp,
                general.rbx,
                general.r11,
                general.r10,
                general.r9,
                general.r8,
                general.rax,
                general.rcx,
                general.rdx,
                general.rsi,
                general.rdi,
            ],
            instruction_pointer: self.instruction_pointer,
            stack_pointer: self.stack_pointer,
            flags: self.flags,
            fs_base: 0,
            gs_base: 0,
        }
    }

    /// Sets the registers, as far as a program may: see the setters.
    pub fn set_registers(&mut self, registers: &ThreadRegisters) {
        let [r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi] = registers.general;
        self.general = GeneralRegisters { r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi };
        self.set_instruction_pointer(registers.instruction_pointer);
        self.set_stack_pointer(registers.stack_pointer);
        self.set_flags(registers.flags);
    }

    /// A stack pointer that no setter lets in, for tests on recorded frames.
    #[cfg(test)]
    pub(crate) fn set_stack_pointer_unchecked(&mut self, address: u64) {
        self.stack_pointer = address;
    }

    /// A vector of the frame's own making, for tests on recorded frames.
    #[cfg(test)]
    pub(crate) fn recorded(vector: u64, error_code: u64, code_segment: u64, instruction_pointer: u64) -> Self {
        Self { vector, error_code, code_segment, instruction_pointer, ..Self::user(0, 0) }
    }
}

impl crate::arch::TrapFrame for TrapFrame {
    #[inline(always)]
    fn origin(&self) -> Origin {
        // By the question that the entry asks; there are rings 0 and 3 alone.
        if self.code_segment & 3 == 0 { Origin::Kernel } else { Origin::User }
    }

    fn instruction_pointer(&self) -> u64 {
        self.instruction_pointer
    }

    fn stack_pointer(&self) -> u64 {
        self.stack_pointer
    }

    #[inline(always)]
    fn system_call_number(&self) -> u64 {
        self.general.rax
    }

    #[inline(always)]
    fn system_call_arguments(&self) -> [u64; 6] {
        let general = &self.general;
        [general.rdi, general.rsi, general.rdx, general.r10, general.r8, general.r9]
    }

    #[inline(always)]
    fn set_system_call_result(&mut self, value: u64) {
        self.general.rax = value;
    }

    fn restart_system_call(&mut self) {
        self.instruction_pointer -= SYSTEM_CALL_BYTES;
    }

    fn finish_system_call(&mut self) {
        self.instruction_pointer += SYSTEM_CALL_BYTES;
    }

    fn set_thread_arguments(&mut self, [first, second, third]: [u64; 3]) {
        self.general.rdi = first;
        self.general.rsi = second;
        self.general.rdx = third;
    }

    #[inline(always)]
    fn message_tag(&self) -> MessageTag {
        MessageTag::from_bits(self.general.rsi)
    }

    #[inline(always)]
    fn message_tag_bits(&self) -> u32 {
        // SAFETY: the first half of a word of this struct. Told as a load of its own, so that it is one.
        unsafe { (&raw const self.general.rsi).cast::<u32>().read() }
    }

    #[inline(always)]
    fn message_words(&self) -> [u64; 4] {
        [self.general.rdx, self.general.r10, self.general.r8, self.general.r9]
    }

    #[inline(always)]
    fn take_message(&mut self, tag: MessageTag, badge: u64, sender: &Self) {
        // Word by word: the fast path has few registers.
        self.general.rdx = sender.general.rdx;
        self.general.r10 = sender.general.r10;
        self.general.r8 = sender.general.r8;
        self.general.r9 = sender.general.r9;
        self.general.rax = tag.to_bits();
        self.general.rdi = badge;
    }

    #[inline(always)]
    fn set_message(&mut self, tag: MessageTag, badge: u64, [first, second, third, fourth]: [u64; 4]) {
        self.general.rax = tag.to_bits();
        self.general.rdi = badge;
        self.general.rdx = first;
        self.general.r10 = second;
        self.general.r8 = third;
        self.general.r9 = fourth;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::TrapFrame as _;

    #[test]
    fn no_setter_lets_privilege_or_a_bad_address_through() {
        let mut frame = TrapFrame::user(u64::MAX, 1 << 63);
        assert_eq!((frame.instruction_pointer(), frame.stack_pointer()), (0, 0));
        for address in [USER_END, 0x0000_8000_0000_0000, 0xffff_8000_0000_0000, u64::MAX] {
            frame.set_instruction_pointer(address);
            assert_eq!(frame.instruction_pointer(), 0, "{address:#x}");
        }
        frame.set_instruction_pointer(USER_END - 1);
        assert_eq!(frame.instruction_pointer(), USER_END - 1);
        frame.set_flags(u64::MAX);
        let (iopl, nt, vm, vif) = (3 << 12, 1 << 14, 1 << 17, 1 << 19);
        assert_eq!(frame.flags() & (iopl | vm | vif), 0);
        assert_eq!(frame.flags() & (nt | 0x202), nt | 0x202);
        frame.set_flags(0);
        assert_eq!(frame.flags(), 0x202, "interrupts stay on in ring 3");
        assert_eq!((frame.code_segment(), frame.stack_segment()), (0x23, 0x1b));
        assert_eq!(frame.origin(), Origin::User);
    }

    #[test]
    fn a_changed_frame_leaves_by_iret() {
        let mut frame = TrapFrame::recorded(SYSCALL_VECTOR, 0, 0x23, 0x40_0000);
        frame.set_flags(0x202);
        assert_eq!(frame.vector(), NO_VECTOR);
        let mut at_breakpoint = TrapFrame::recorded(3, 0, 0x23, 0x40_0001);
        at_breakpoint.set_instruction_pointer(0x40_0000);
        assert_eq!(at_breakpoint.vector(), 3, "a thread whose registers were changed still stands at its breakpoint");
    }

    #[test]
    fn the_debug_status_is_the_error_code_and_only_instruction_breakpoints_set_rf() {
        let mut frame = TrapFrame::recorded(1, 0, 0x23, 0x40_0000);
        frame.set_debug_status(1 << 14, false);
        assert_eq!((frame.error_code(), frame.flags()), (1 << 14, INITIAL_FLAGS));
        frame.set_debug_status(2, true);
        assert_eq!((frame.error_code(), frame.flags()), (2, INITIAL_FLAGS | RESUME_FLAG));
        // A debugger that writes back the flags that it read does not run into the same breakpoint.
        frame.set_flags(frame.flags());
        assert_eq!(frame.flags(), INITIAL_FLAGS | RESUME_FLAG);
    }

    #[test]
    fn only_the_two_breakpoint_vectors_are_breakpoints() {
        for vector in 0..=NO_VECTOR {
            let frame = TrapFrame::recorded(vector, 0, 0x23, 0x40_0000);
            // SAFETY: the frame is here.
            assert_eq!(unsafe { TrapFrame::may_be_breakpoint(&raw const frame) }, matches!(vector, 1 | 3), "{vector}");
        }
    }
}
