//! A local APIC for tests: it records every access, keeps what is written, and refuses what faults.

use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::vec::Vec;

use super::mode::{APIC_BASE, ENABLED, EXTENDED, Mode};
use super::registers::{Register, RegisterAccess};

/// One access, in the order made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadMemory(usize),
    WriteMemory(usize, u32),
    ReadMsr(u32),
    WriteMsr(u32, u64),
    Fence,
    CompilerFence,
}

#[derive(Debug)]
pub(super) struct Recorder {
    accesses: RefCell<Vec<Access>>,
    registers: RefCell<BTreeMap<usize, u64>>,
    base: Cell<u64>,
}

const RESET_BASE: u64 = 0xfee0_0000;
/// The timer's current count.
const CURRENT_COUNT: usize = 0x390;

impl Recorder {
    /// An APIC with these mode bits.
    pub(super) fn with_base(bits: u64) -> Self {
        Self { accesses: RefCell::default(), registers: RefCell::default(), base: Cell::new(RESET_BASE | bits) }
    }

    /// An APIC that is in a mode already.
    pub(super) fn enabled(mode: Mode) -> Self {
        Self::with_base(match mode {
            Mode::XApic => ENABLED,
            Mode::X2Apic => ENABLED | EXTENDED,
        })
    }

    pub(super) fn base_bits(&self) -> u64 {
        self.base.get() & (ENABLED | EXTENDED)
    }

    /// Everything but the reads.
    pub(super) fn writes(&self) -> Vec<Access> {
        let is_read = |access: &Access| matches!(access, Access::ReadMemory(_) | Access::ReadMsr(_));
        self.accesses.borrow().iter().copied().filter(|access| !is_read(access)).collect()
    }

    pub(super) fn all(&self) -> Vec<Access> {
        self.accesses.borrow().clone()
    }

    /// What a register holds, in either mode.
    pub(super) fn value(&self, register: Register) -> u32 {
        self.registers.borrow().get(&register.offset()).copied().unwrap_or(0) as u32
    }

    /// Lets a register read as a value.
    pub(super) fn preset(&self, register: Register, value: u32) {
        self.registers.borrow_mut().insert(register.offset(), u64::from(value));
    }

    fn mode(&self) -> Option<Mode> {
        match (self.base.get() & ENABLED != 0, self.base.get() & EXTENDED != 0) {
            (true, true) => Some(Mode::X2Apic),
            (true, false) => Some(Mode::XApic),
            (false, _) => None,
        }
    }

    fn record(&self, access: Access) {
        self.accesses.borrow_mut().push(access);
    }

    fn load(&self, offset: usize) -> u64 {
        assert_ne!(offset, CURRENT_COUNT, "the current count was read");
        self.registers.borrow().get(&offset).copied().unwrap_or(0)
    }

    /// The highest interrupt in service is so no more.
    fn end_of_interrupt(&self) {
        let mut registers = self.registers.borrow_mut();
        let word = (0..8).rev().map(|word| Register::in_service(word).offset());
        if let Some(bits) = word.into_iter().find(|word| registers.get(word).is_some_and(|bits| *bits != 0)) {
            let word = registers.entry(bits).or_default();
            *word &= !(1 << word.ilog2());
        }
    }

    fn store(&self, offset: usize, value: u64) {
        if offset == Register::END_OF_INTERRUPT.offset() {
            self.end_of_interrupt();
        }
        self.registers.borrow_mut().insert(offset, value);
    }

    fn change_base(&self, value: u64) {
        let state = |base: u64| (base & ENABLED != 0, base & EXTENDED != 0);
        let (from, to) = (state(self.base.get()), state(value));
        assert_ne!(to, (false, true), "illegal: x2APIC mode without the enable bit");
        assert!(!(from == (false, false) && to == (true, true)), "illegal: disabled to x2APIC mode");
        assert!(!(from == (true, true) && to == (true, false)), "illegal: x2APIC to xAPIC mode");
        assert_eq!(value & !(ENABLED | EXTENDED), RESET_BASE, "the base address changed");
        self.base.set(value);
    }

    /// The page offset that an x2APIC MSR stands for.
    fn offset_of_msr(&self, number: u32) -> usize {
        assert_eq!(self.mode(), Some(Mode::X2Apic), "MSR {number:#x} faults outside x2APIC mode");
        assert_ne!(number, 0x831, "x2APIC mode has no high half of the ICR");
        (number as usize - 0x800) << 4
    }
}

impl RegisterAccess for &Recorder {
    fn read_memory(&self, register: Register) -> u32 {
        assert_eq!(self.mode(), Some(Mode::XApic), "the page does not answer");
        self.record(Access::ReadMemory(register.offset()));
        self.load(register.offset()) as u32
    }

    fn write_memory(&self, register: Register, value: u32) {
        assert_eq!(self.mode(), Some(Mode::XApic), "the page does not answer");
        self.record(Access::WriteMemory(register.offset(), value));
        self.store(register.offset(), u64::from(value));
    }

    fn read_msr(&self, number: u32) -> u64 {
        self.record(Access::ReadMsr(number));
        match number {
            APIC_BASE => self.base.get(),
            0x800..=0x8ff => self.load(self.offset_of_msr(number)),
            _ => panic!("read of MSR {number:#x}"),
        }
    }

    fn write_msr(&self, number: u32, value: u64) {
        self.record(Access::WriteMsr(number, value));
        match number {
            APIC_BASE => self.change_base(value),
            0x800..=0x8ff => self.store(self.offset_of_msr(number), value),
            0x6e0 => {}
            _ => panic!("write of MSR {number:#x}"),
        }
    }

    fn fence(&self) {
        self.record(Access::Fence);
    }

    fn compiler_fence(&self) {
        self.record(Access::CompilerFence);
    }
}
