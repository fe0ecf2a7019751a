//! System calls: one dispatcher for both doors. `docs/abi.md` is the contract.

mod calls;
mod capabilities;
mod control;
mod cpus;
mod debugging;
mod devices;
mod dispatch;
mod frames;
mod information;
mod memory;
mod messages;
mod notifications;
mod objects;
mod pci;
mod programs;
mod saved_replies;
mod timers;

pub use dispatch::{call, dispatch, null, reply_receive, reply_receive_to, time_out};
