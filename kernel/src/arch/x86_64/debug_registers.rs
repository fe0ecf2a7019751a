//! Hardware breakpoints: DR0 to DR3, DR6 and DR7 (Intel SDM volume 3, "Debug Registers"; APM volume 2, "Debug Registers").
//!
//! A program names what it wants to watch; the bits of DR7 are made here. So none of them is a program's choice: no general
//! detect, no I/O breakpoints, no address of the kernel's.

use core::arch::asm;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_core::memory::layout::{USER_END, USER_START};

/// Hardware breakpoints of a thread.
const BREAKPOINTS: usize = 4;

/// What a breakpoint waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakpointAccess {
    /// The execution of the instruction that begins at the address.
    Execute,
    /// A write to any of the bytes.
    Write,
    /// A read or a write of any of the bytes.
    ReadWrite,
}

/// A hardware breakpoint that the processor can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardwareBreakpoint {
    address: u64,
    access: BreakpointAccess,
    length: u64,
}

/// A breakpoint that the processor could not be given, or must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedBreakpoint;

impl HardwareBreakpoint {
    /// A breakpoint on `length` bytes from `address`: 1, 2, 4 or 8 bytes of the user half, at a multiple of their number;
    /// for an execution 1.
    ///
    /// # Errors
    /// [`RefusedBreakpoint`] for anything else.
    pub fn new(address: u64, access: BreakpointAccess, length: u64) -> Result<Self, RefusedBreakpoint> {
        let fits = match access {
            BreakpointAccess::Execute => length == 1,
            _ => matches!(length, 1 | 2 | 4 | 8) && address.is_multiple_of(length),
        };
        let is_users = address >= USER_START && address.checked_add(length).is_some_and(|end| end <= USER_END);
        if !fits || !is_users {
            return Err(RefusedBreakpoint);
        }
        Ok(Self { address, access, length })
    }

    /// Its fields of DR7, as those of breakpoint 0: enabled for one task, condition, length.
    const fn control(self) -> u64 {
        let condition = match self.access {
            BreakpointAccess::Execute => EXECUTE,
            BreakpointAccess::Write => 0b01,
            BreakpointAccess::ReadWrite => 0b11,
        };
        let length = match self.length {
            2 => 0b01,
            4 => 0b11,
            8 => 0b10,
            _ => 0b00,
        };
        1 | condition << CONDITION_SHIFT | length << LENGTH_SHIFT
    }
}

/// DR7: the condition of an execution.
const EXECUTE: u64 = 0b00;
/// DR7: condition and length of breakpoint 0; those of the next one are four bits higher.
const CONDITION_SHIFT: u32 = 16;
const LENGTH_SHIFT: u32 = 18;
/// DR7: the fields of one breakpoint, as those of breakpoint 0: both enable bits, condition, length.
const ENABLE_FIELD: u64 = 0b11;
const CONDITION_FIELD: u64 = 0b1111 << CONDITION_SHIFT;
/// DR7 with no breakpoint enabled: bit 10 is always set.
const NONE_ENABLED: u64 = 1 << 10;
/// DR6: which of the four breakpoints were met, and BS, the single step.
const MET: u64 = (1 << BREAKPOINTS) - 1;
const SINGLE_STEP: u64 = 1 << 14;
/// What DR6 holds when nothing has happened ("Debug Status Register (DR6)").
const NOTHING: u64 = 0xffff_0ff0;

/// The control word with the fields of breakpoint `number` replaced by those of `breakpoint`.
fn with_breakpoint(control: u64, number: usize, breakpoint: Option<HardwareBreakpoint>) -> u64 {
    let (enable, fields) = (2 * number as u32, 4 * number as u32);
    let kept = control & !(ENABLE_FIELD << enable) & !(CONDITION_FIELD << fields);
    let added = breakpoint.map_or(0, |breakpoint| {
        let control = breakpoint.control();
        (control & ENABLE_FIELD) << enable | (control & CONDITION_FIELD) << fields
    });
    kept | added | NONE_ENABLED
}

/// Whether any of the breakpoints that were met is one of an execution, by DR6 and DR7.
fn is_at_instruction(status: u64, control: u64) -> bool {
    (0..BREAKPOINTS).any(|number| {
        status >> number & 1 != 0
            && control >> (2 * number) & ENABLE_FIELD != 0
            && control >> (CONDITION_SHIFT as usize + 4 * number) & 0b11 == EXECUTE
    })
}

/// The hardware breakpoints of one thread.
#[derive(Debug, Default)]
pub struct DebugRegisters {
    /// What [`Self::identity`] answers.
    identity: Cell<u64>,
    addresses: [Cell<u64>; BREAKPOINTS],
    control: Cell<u64>,
}

// SAFETY: only the CPU that runs the thread, or holds it as its own, touches the registers.
unsafe impl Sync for DebugRegisters {}

impl DebugRegisters {
    /// 0 as long as no breakpoint is set; else a number that no other thread has, and that this one has had since they
    /// were changed last.
    #[must_use]
    #[inline(always)]
    pub const fn identity(&self) -> u64 {
        self.identity.get()
    }

    /// Sets or clears breakpoint `number`. Only by the thread's owner, while it is off every CPU.
    ///
    /// # Errors
    /// [`RefusedBreakpoint`] if there is none of that number.
    pub fn set(&self, number: u64, breakpoint: Option<HardwareBreakpoint>) -> Result<(), RefusedBreakpoint> {
        /// Numbers that were given out.
        static IDENTITIES: AtomicU64 = AtomicU64::new(0);
        let number = usize::try_from(number).map_err(|_| RefusedBreakpoint)?;
        let place = self.addresses.get(number).ok_or(RefusedBreakpoint)?;
        place.set(breakpoint.map_or(0, |breakpoint| breakpoint.address));
        self.control.set(with_breakpoint(self.control.get(), number, breakpoint));
        let in_use = self.control.get() != NONE_ENABLED;
        self.identity.set(if in_use { IDENTITIES.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 });
        Ok(())
    }
}

/// Loads a thread's breakpoints; with none, disables all.
///
/// # Safety
/// The thread runs next on this CPU.
pub unsafe fn load(registers: &DebugRegisters) {
    let [first, second, third, fourth] = &registers.addresses;
    // SAFETY: user addresses only, so nothing of the kernel's meets them; no breakpoint is enabled while they change.
    unsafe {
        asm!("mov dr7, {}", in(reg) NONE_ENABLED, options(nostack, preserves_flags));
        if registers.identity() == 0 {
            return;
        }
        asm!("mov dr0, {}", in(reg) first.get(), options(nostack, preserves_flags));
        asm!("mov dr1, {}", in(reg) second.get(), options(nostack, preserves_flags));
        asm!("mov dr2, {}", in(reg) third.get(), options(nostack, preserves_flags));
        asm!("mov dr3, {}", in(reg) fourth.get(), options(nostack, preserves_flags));
        asm!("mov dr7, {}", in(reg) registers.control.get(), options(nostack, preserves_flags));
    }
}

/// Takes away whatever breakpoints and status the calling CPU has, before any thread runs there.
pub fn clear() {
    // SAFETY: no breakpoint is enabled while they change, or afterwards.
    unsafe {
        asm!("mov dr7, {}", in(reg) NONE_ENABLED, options(nostack, preserves_flags));
        asm!("mov dr0, {0}", "mov dr1, {0}", "mov dr2, {0}", "mov dr3, {0}", in(reg) 0_u64,
             options(nostack, preserves_flags));
        asm!("mov dr6, {}", in(reg) NOTHING, options(nostack, preserves_flags));
    }
}

/// Why this CPU has just raised #DB: bits 0 to 3 of the breakpoints that were met, bit 14 of a single step; and whether one
/// of those breakpoints is of an execution. Clears the status, whose bits stay until then: the next #DB would be taken for
/// this one.
pub fn take_debug_status() -> (u64, bool) {
    let (status, control): (u64, u64);
    // SAFETY: DR6 is a status register, writing it triggers nothing; DR7 is only read.
    unsafe {
        asm!("mov {}, dr6", out(reg) status, options(nomem, nostack, preserves_flags));
        asm!("mov {}, dr7", out(reg) control, options(nomem, nostack, preserves_flags));
        asm!("mov dr6, {}", in(reg) NOTHING, options(nomem, nostack, preserves_flags));
    }
    // A breakpoint that is not enabled may have its bit set, too ("Debug Status Register (DR6)").
    let enabled = (0..BREAKPOINTS).filter(|number| control >> (2 * number) & ENABLE_FIELD != 0);
    let met = status & MET & enabled.fold(0, |met, number| met | 1 << number);
    (met | status & SINGLE_STEP, is_at_instruction(met, control))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breakpoint(access: BreakpointAccess, length: u64) -> Option<HardwareBreakpoint> {
        Some(HardwareBreakpoint::new(0x40_0000, access, length).expect("it can be"))
    }

    #[test]
    fn only_user_addresses_of_the_right_size_pass() {
        use BreakpointAccess::{Execute, ReadWrite, Write};
        for (address, access, length, allowed) in [
            (0x40_0000, Execute, 1, true),
            (0x40_0003, Execute, 1, true),
            (0x40_0000, Execute, 2, false),
            (0x40_0000, Write, 8, true),
            (0x40_0004, Write, 8, false),
            (0x40_0004, ReadWrite, 4, true),
            (0x40_0001, ReadWrite, 1, true),
            (0x40_0000, Write, 3, false),
            (0x40_0000, Write, 0, false),
            (0x40_0000, Write, 16, false),
            (0, Write, 8, false),
            (0x7fff_ffff_f000 - 8, Write, 8, true),
            (0x7fff_ffff_f000, Write, 1, false),
            (0xffff_8000_0000_0000, Write, 8, false),
            (u64::MAX, Execute, 1, false),
        ] {
            let made = HardwareBreakpoint::new(address, access, length);
            assert_eq!(made.is_ok(), allowed, "{address:#x} {access:?} {length}");
        }
    }

    #[test]
    fn control_words_are_those_of_the_manual() {
        use BreakpointAccess::{Execute, ReadWrite, Write};
        assert_eq!(with_breakpoint(0, 0, breakpoint(Execute, 1)), 0x401);
        assert_eq!(with_breakpoint(0, 1, breakpoint(Write, 8)), 0x404 | 0b1001 << 20);
        assert_eq!(with_breakpoint(0, 2, breakpoint(ReadWrite, 4)), 0x410 | 0b1111 << 24);
        assert_eq!(with_breakpoint(0, 3, breakpoint(Write, 2)), 0x440 | 0b0101 << 28);
    }

    #[test]
    fn one_breakpoint_leaves_the_others_alone() {
        let mut control = 0;
        for number in 0..BREAKPOINTS {
            control = with_breakpoint(control, number, breakpoint(BreakpointAccess::ReadWrite, 4));
        }
        assert_eq!(control, 0xffff_0455);
        assert_eq!(with_breakpoint(control, 2, None), 0xf0ff_0445);
        let cleared = (0..BREAKPOINTS).fold(control, |control, number| with_breakpoint(control, number, None));
        assert_eq!(cleared, NONE_ENABLED);
    }

    #[test]
    fn nothing_but_breakpoints_can_be_enabled() {
        // LE, GE, RTM, GD and the reserved bits.
        const OTHERS: u64 = !0xffff_00ff & !NONE_ENABLED;
        for access in [BreakpointAccess::Execute, BreakpointAccess::Write, BreakpointAccess::ReadWrite] {
            for length in [1, 2, 4, 8] {
                let Ok(breakpoint) = HardwareBreakpoint::new(0x40_0000, access, length) else { continue };
                for number in 0..BREAKPOINTS {
                    assert_eq!(with_breakpoint(0, number, Some(breakpoint)) & OTHERS, 0);
                }
            }
        }
    }

    #[test]
    fn identities_tell_changes_and_none() {
        let (one, other) = (DebugRegisters::default(), DebugRegisters::default());
        assert_eq!(one.identity(), 0);
        let write = breakpoint(BreakpointAccess::Write, 4);
        one.set(3, write).expect("there are four");
        other.set(3, write).expect("there are four");
        let before = one.identity();
        assert!(before != 0 && before != other.identity());
        one.set(0, write).expect("there are four");
        assert_ne!(one.identity(), before);
        one.set(0, None).expect("there are four");
        one.set(3, None).expect("there are four");
        assert_eq!(one.identity(), 0);
        assert_eq!(one.set(4, None), Err(RefusedBreakpoint));
        assert_eq!(one.set(u64::MAX, write), Err(RefusedBreakpoint));
    }

    #[test]
    fn executions_are_told_from_accesses() {
        let execute = with_breakpoint(0, 1, breakpoint(BreakpointAccess::Execute, 1));
        let both = with_breakpoint(execute, 2, breakpoint(BreakpointAccess::Write, 1));
        assert!(is_at_instruction(0b0010, both));
        assert!(!is_at_instruction(0b0100, both));
        assert!(is_at_instruction(0b0110, both));
        assert!(!is_at_instruction(SINGLE_STEP, both));
        assert!(!is_at_instruction(0b0001, both), "not enabled");
    }
}
