//! Lockdown: what the kernel does when it cannot go on. See `docs/lockdown.md`.
//!
//! ```text
//!  trap in the kernel ─► enter ─┐                  ┌─► stop ─► record, halt        (every other CPU)
//!  panic ──────────────► panic ─┴─► first CPU? yes ┴─► report: text, JSON ─► exit  (the first CPU)
//!                                   no: record, halt
//!  the first program ends ─► finish ─► stop, verdict ──► exit
//! ```
//!
//! Each CPU writes its own [`record`](StopRecord); one CPU prints all of them.

mod dump;
mod enter;
mod finish;
mod guard;
mod json;
mod readable;
mod record;
mod refusal;
mod report;
mod stop;
mod symbols;
mod threads;
mod waiting;
pub mod watchdog;

pub use dump::{DumpError, answer_by_nmi, dump, dump_if};
pub use enter::{enter, enter_uncontained, panicked};
pub use finish::finish;
pub use guard::{DOUBLE_FAULT_STACK, GuardTouch, INTERRUPT_STACK, find_guard};
pub use record::{StopRecord, backtrace};
pub use refusal::Refusal;
pub use stop::{stopped_by_interrupt, stopped_by_nmi};
pub use symbols::find as function_at;
