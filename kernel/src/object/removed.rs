//! What becomes of capabilities that were taken away.

use super::KernelObject;
use crate::capability::{Removed, Taken};
use crate::cpu::ThisCpu;
use crate::ipc::handler;

/// Drops the capabilities, and tells the holders of bindings. Objects whose last capability goes may end programs, that of
/// the running thread among them: no lock may be held.
pub fn drop_removed(cpu: &ThisCpu, removed: Removed<'_, KernelObject>) {
    for taken in removed {
        match taken {
            Taken::Capability(capability) => drop(capability),
            Taken::Binding { binding, holder } => handler::unbind(cpu, binding, &holder),
        }
    }
}
