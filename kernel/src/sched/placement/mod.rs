//! Bringing threads that may run on several CPUs and CPUs that have nothing to run together. `docs/smp.md`, "Placing
//! threads".

mod audit;
mod give;
mod place;

pub use audit::Audit;
pub(super) use audit::audit;
pub(super) use give::{give, let_leave};
pub(super) use place::{leave_or_stay, look_for_work, place};
