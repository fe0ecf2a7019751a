//! What the local interrupt controller raises on its own account.

use super::road::handle_vector;
use crate::arch::{Frame as TrapFrame, vectors};
use crate::entry::trap_main::trap_main_without_ends;
use crate::{cpu, irq};

/// The interrupt was withdrawn: there is nothing to do, and nothing to acknowledge.
pub(super) extern "C" fn spurious_interrupt_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    let count = |_: &mut TrapFrame| cpu::this().entries().count(usize::from(vectors::SPURIOUS));
    // SAFETY: as in `handle`.
    trap_main_without_ends(unsafe { &mut *frame }, count)
}

/// An error of the controller's own.
pub(super) extern "C" fn interrupt_controller_error_handler(frame: *mut TrapFrame) -> *const TrapFrame {
    handle_vector(vectors::APIC_ERROR, frame, |cpu, _| irq::controller_error(cpu))
}
