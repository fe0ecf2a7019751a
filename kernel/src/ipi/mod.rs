//! What a CPU makes others do: look at what was left for them, carry out a call, forget translations.
//!
//! It says that somebody is wanted and why; who serves that, in the interrupt, is [`crate::entry`]'s to know.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod call;
mod kick;
mod pending_work;
mod ping;
mod shootdown;

pub use call::{
    CallPort, CallRequest, DEFAULT_LIMIT_SECONDS, Operation, all_others, answer_call, answer_calls, answer_one_call,
    call, call_or_report, flush_owed, limit, prepare_cpu, set_limit,
};
pub use kick::kick;
pub use pending_work::{ATTEND, FLUSH, GIVE, PENDING_WORK, PendingWork, REAP};
pub use ping::{Ping, ping, ping_all};
pub use shootdown::{flush_kernel_pages, flush_program, flush_program_page, flush_program_range, keep_back};
