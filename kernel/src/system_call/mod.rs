//! System calls: one dispatcher for both doors. `docs/abi.md` is the contract.

mod affinity;
mod calls;
mod capabilities;
mod control;
mod cpus;
mod debugging;
mod devices;
mod direct;
mod dispatch;
mod frames;
mod information;
mod memory;
mod messages;
mod notifications;
mod objects;
mod pci;
mod programs;
mod progress;
mod saved_replies;
mod timers;

pub use devices::try_acknowledge;
pub use direct::{
    cancel_timer, exit_thread, map_memory, ping_cpu, set_timer, spawn_thread, unmap_memory, wait, yield_now,
};
pub use dispatch::{call, dispatch, null, reply_receive, reply_receive_to, time_out};
