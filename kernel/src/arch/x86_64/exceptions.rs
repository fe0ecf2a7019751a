//! What this processor answers to the portable trap layer.

use core::fmt;

use gatehouse_abi::TrapNumber;
use x86_64::registers::rflags::RFlags;

use super::frame::{NO_VECTOR, SYSCALL_VECTOR, TrapFrame};
use super::{decode, msr, vectors};
use crate::arch::{ArchTrap, Origin, TrapFrame as _, TrapInfo};

/// This processor.
#[derive(Debug)]
pub struct Arch;

impl ArchTrap for Arch {
    type Frame = TrapFrame;

    fn number(frame: &TrapFrame) -> TrapNumber {
        decode::trap_number(frame.vector() as u8, frame.error_code())
    }

    fn handle_exception(frame: &mut TrapFrame) -> bool {
        if frame.origin() == Origin::User {
            return false;
        }
        match frame.vector() as u8 {
            vectors::GENERAL_PROTECTION => msr::answer_refusal(frame),
            // A program's data breakpoint or single step that `MOV SS` delayed into the entry: it is over, and the thread is not told.
            // What DR6 does not name is a fault: nothing of the kernel is debugged by #DB.
            vectors::DEBUG => frame.error_code() != 0,
            _ => false,
        }
    }

    fn vector(frame: &TrapFrame) -> u64 {
        frame.vector()
    }

    fn breakpoint(frame: &TrapFrame) -> Option<TrapInfo> {
        let (number, description) = match u8::try_from(frame.vector()) {
            Ok(vectors::BREAKPOINT) => (TrapNumber::BREAKPOINT, const { TrapNumber::BREAKPOINT.description() }),
            Ok(vectors::DEBUG) => (TrapNumber::DEBUG, const { TrapNumber::DEBUG.description() }),
            _ => return None,
        };
        Some(TrapInfo { number, vector: frame.vector(), origin: frame.origin(), description, address: 0 })
    }

    fn error_code(frame: &TrapFrame) -> u64 {
        frame.error_code()
    }

    fn flags(frame: &TrapFrame) -> u64 {
        frame.flags()
    }

    fn takes_interrupts(frame: &TrapFrame) -> bool {
        RFlags::from_bits_truncate(frame.flags()).contains(RFlags::INTERRUPT_FLAG)
    }

    fn describe_cause(info: &TrapInfo, frame: &TrapFrame, out: &mut dyn fmt::Write) -> fmt::Result {
        match frame.vector() {
            SYSCALL_VECTOR => out.write_str("SYSCALL"),
            NO_VECTOR => out.write_str(info.description),
            vector => decode::describe_error_code(vector as u8, frame.error_code(), out),
        }
    }

    fn describe_registers(frame: &TrapFrame, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(
            out,
            "rip={:#x} cs={:#x} rflags={:#x} rsp={:#x} ss={:#x} error={:#x}",
            frame.instruction_pointer(),
            frame.code_segment(),
            frame.flags(),
            frame.stack_pointer(),
            frame.stack_segment(),
            if frame.vector() == SYSCALL_VECTOR { 0 } else { frame.error_code() }
        )?;
        frame.general.named().iter().try_for_each(|(name, value)| write!(out, " {name}={value:#x}"))
    }
}
