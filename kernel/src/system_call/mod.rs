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
mod programs;
mod saved_replies;
mod timers;

pub use devices::try_acknowledge;
pub use dispatch::{
    call, cancel_timer, dispatch, map_memory, null, reply_receive, reply_receive_to, set_timer, spawn_thread, time_out,
    unmap_memory, yield_now,
};
