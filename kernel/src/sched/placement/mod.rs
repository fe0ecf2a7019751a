//! Bringing threads that may run on several CPUs and CPUs that have nothing to run together. `docs/smp.md`, "Placing
//! threads".

mod give;
mod imbalance_check;
mod place;

pub(super) use give::{give, let_leave};
pub use imbalance_check::ImbalanceCheck;
pub(super) use imbalance_check::imbalance_check;
pub(super) use place::{leave_or_stay, look_for_work, place};
