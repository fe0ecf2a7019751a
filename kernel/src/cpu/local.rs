//! What belongs to one CPU alone.

use core::cell::{Cell, RefCell, UnsafeCell};

use gatehouse_abi::ProgramEnd;
use gatehouse_core::cpu::allowance::Allowance;
use gatehouse_core::interrupt_rate::Rate;
use gatehouse_core::intrusive::{ExitQueue, RunQueue};

use percpu::CpuIndex;

use super::ThisCpu;
use crate::arch::{self, Frame, InstructionInfo};
use crate::lockdown::watchdog::Watchdog;
use crate::memory::set_aside::SetAside;
use crate::sched::Audit;
use crate::swap::Trouble;
use crate::thread::Thread;
use crate::time::TimerList;

/// One CPU's own state. Reached through [`ThisCpu::local`] only.
#[derive(Debug)]
pub struct Local {
    /// This CPU's index while neither floating-point state nor hardware breakpoints are loaded, else no CPU's: what the placement
    /// of a thread must equal for the shortest switch to it.
    plain_index: Cell<u64>,
    index: CpuIndex,
    /// The root of the kernel's own page tables.
    kernel_root: u64,
    /// The floating-point unit holds the state of a thread that has used it, and TS is clear; else the initial state.
    fpu_allowed: Cell<bool>,
    /// Which thread's hardware breakpoints the debug registers hold: [`arch::DebugRegisters::identity`]; 0 for none.
    debug_registers: Cell<u64>,
    /// What is ready to run here.
    pub run_queue: RunQueue<Thread>,
    /// What waits for a moment in time here.
    pub timers: TimerList,
    /// What may still be done here for threads that are not more urgent than the one that runs.
    pub allowance: Allowance,
    /// Whether threads wait here while other CPUs sleep.
    pub audit: Audit,
    /// Which watches another CPU.
    pub watchdog: Watchdog,
    /// When the running thread's slice is over, in clock ticks; `u64::MAX` while nobody else is ready.
    pub slice_end: Cell<u64>,
    /// What the hardware timer is armed for, in clock ticks; `u64::MAX` when it is not.
    pub armed: Cell<u64>,
    /// What is to end here when the handler is over.
    pub exit_queue: ExitQueue<ThisCpu>,
    /// For looking into instructions that fault; kept, since making one allocates.
    pub instructions: RefCell<InstructionInfo>,
    /// What stopped the last copy from or to a program, if it was a page that is away.
    pub swap_trouble: RefCell<Option<Trouble>>,
    /// How the program of the running thread is to end, from a failure that was contained to the new start.
    pub contained: Cell<ProgramEnd>,
    /// How often interrupts come that nobody asked for.
    pub unexpected_rate: Cell<Rate>,
    /// What the next allocation that must not fail can have.
    pub set_aside: SetAside,
    idle_frame: UnsafeCell<Frame>,
}

impl Local {
    /// The state of the CPU with this index that goes idle through this frame, in page tables with this root.
    #[must_use]
    pub fn new(index: CpuIndex, idle_frame: Frame, kernel_root: u64) -> Self {
        Self {
            kernel_root,
            plain_index: Cell::new(u64::from(index.get())),
            index,
            fpu_allowed: Cell::new(false),
            debug_registers: Cell::new(0),
            run_queue: RunQueue::new(index),
            timers: TimerList::new(),
            allowance: Allowance::default(),
            audit: Audit::default(),
            watchdog: Watchdog::default(),
            slice_end: Cell::new(u64::MAX),
            armed: Cell::new(u64::MAX),
            exit_queue: ExitQueue::new(),
            instructions: RefCell::new(arch::instruction_info()),
            swap_trouble: RefCell::new(None),
            contained: Cell::new(ProgramEnd::default()),
            unexpected_rate: Cell::new(Rate::new(0)),
            set_aside: SetAside::default(),
            idle_frame: UnsafeCell::new(idle_frame),
        }
    }

    /// What the placement of a thread must equal for the shortest switch to it.
    #[must_use]
    #[inline(always)]
    pub const fn plain_index(&self) -> u64 {
        self.plain_index.get()
    }

    /// Whether neither floating-point state nor hardware breakpoints are loaded.
    #[must_use]
    #[inline(always)]
    pub const fn is_plain(&self) -> bool {
        self.plain_index.get() != u64::MAX
    }

    /// The root of the kernel's own page tables.
    #[must_use]
    #[inline(always)]
    pub const fn kernel_root(&self) -> u64 {
        self.kernel_root
    }

    /// The frame by which this CPU goes idle. Nothing ever writes to it: an interrupted idle CPU begins anew.
    #[must_use]
    pub const fn idle_frame(&self) -> *const Frame {
        self.idle_frame.get()
    }

    /// Whether anything here is being changed at this moment, or gone through, by code that is in the middle of it.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.run_queue.is_in_use()
            || self.timers.is_in_use()
            || self.exit_queue.is_draining()
            || self.instructions.try_borrow_mut().is_err()
    }

    /// Whether the running thread may use the floating-point unit.
    #[must_use]
    pub const fn fpu_allowed(&self) -> bool {
        self.fpu_allowed.get()
    }

    /// Notes whether the running thread may use the unit; answers what was noted before.
    pub fn set_fpu_allowed(&self, allowed: bool) -> bool {
        let before = self.fpu_allowed.replace(allowed);
        self.update_plain_index();
        before
    }

    /// Which thread's hardware breakpoints the debug registers hold: [`arch::DebugRegisters::identity`]; 0 for none.
    #[must_use]
    pub const fn debug_registers(&self) -> u64 {
        self.debug_registers.get()
    }

    /// Notes whose they hold.
    pub fn set_debug_registers(&self, identity: u64) {
        self.debug_registers.set(identity);
        self.update_plain_index();
    }

    fn update_plain_index(&self) {
        let is_plain = !self.fpu_allowed.get() && self.debug_registers.get() == 0;
        self.plain_index.set(if is_plain { u64::from(self.index.get()) } else { u64::MAX });
    }
}
