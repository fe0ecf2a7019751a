//! What becomes of capabilities that were taken away.

use gatehouse_core::capability::{Removed, Step, Taken};

use super::AnyObject;
use crate::cpu::ThisCpu;

/// Drops the capabilities, and tells the holders of bindings. Objects whose last capability goes may end programs, that of
/// the running thread among them: no lock may be held.
pub fn drop_removed(cpu: &ThisCpu, removed: Removed<'_, AnyObject>) {
    removed.for_each(|taken| drop_taken(cpu, taken));
}

/// The same for so many steps, after which what is left stays as it is. Answers whether there may be more.
pub fn drop_some_removed(cpu: &ThisCpu, mut removed: Removed<'_, AnyObject>, steps: usize) -> bool {
    for _ in 0..steps {
        match removed.step() {
            Step::Taken(taken) => drop_taken(cpu, taken),
            Step::More => {}
            Step::Done => return false,
        }
    }
    removed.stop();
    true
}

fn drop_taken(cpu: &ThisCpu, taken: Taken<AnyObject>) {
    match taken {
        Taken::Capability(capability) => drop(capability),
        Taken::Binding { binding, holder } => {
            if let Some(holder) = holder.upgrade() {
                holder.unbind(cpu, binding);
            }
        }
    }
}
