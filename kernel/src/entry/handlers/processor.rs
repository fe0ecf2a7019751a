//! Exceptions of this processor that no access and no breakpoint explains.

use crate::arch::{Frame as TrapFrame, Origin, TrapFrame as _, TrapInfo};
use crate::cpu::ThisCpu;
use crate::entry::policy;
use crate::sched::{self, Next};

/// Handlers of what is a fault and nothing else.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
            policy::exception(cpu, info, frame)
        }
    )*};
}

faults! {
    /// #DE.
    divide_error_handler;
    /// #OF.
    overflow_handler;
    /// #BR.
    bound_range_exceeded_handler;
    /// #MF and #XM.
    floating_point_error_handler;
    /// #TS and #NP.
    bad_segment_or_task_state_handler;
    /// #CP.
    control_flow_protection_handler;
    /// #VE, #HV, #VC and #SX.
    virtualization_handler;
    /// Vectors that the manuals reserve.
    reserved_exception_handler;
}

/// #NM: the thread wants the floating-point unit, and gets its state. Without memory for that it is a fault, as it is in the
/// kernel, which does not use the unit.
pub(super) fn floating_point_unit_not_available_handler(cpu: &ThisCpu, info: &TrapInfo, frame: &mut TrapFrame) -> Next {
    if frame.origin() == Origin::User && sched::give_fpu(cpu).is_ok() {
        return Next::Stay;
    }
    policy::exception(cpu, info, frame)
}
