//! System calls: one dispatcher for both entry points. `docs/abi.md` is the contract, `docs/extending.md` says how to add a call.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod affinity;
mod calls;
mod capabilities;
mod control;
mod cpus;
mod debugging;
mod devices;
mod dispatch;
mod frames;
mod information;
mod look_up;
mod memory;
mod messages;
mod notifications;
mod pci;
mod programs;
mod progress;
mod saved_replies;
mod table;
mod test_hook;
mod timers;

pub use devices::try_acknowledge;
pub use dispatch::{call, dispatch, null, own, reply_receive};
pub(crate) use table::system_calls;
pub use test_hook::{TestHooks, set_test_hooks};
