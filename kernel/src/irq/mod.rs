//! What comes from outside the instruction stream: calls of other CPUs, devices.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod arrival;
mod call;
mod claim;
mod device;
mod interrupt;
pub mod io_apics;
mod line_state;
mod ping;
mod place;
pub mod serial;
mod serial_input;
mod shootdown;
mod source;
mod storm;
mod vector_table;

pub use call::{
    CallPort, CallRequest, DEFAULT_LIMIT_SECONDS, Operation, all_others, answer_calls, answer_one_call,
    answer_other_calls, call, flush_owed, limit, set_limit,
};
pub use device::{controller_error, device, device_here};
pub use interrupt::Interrupt;
pub use ping::{Ping, ping, ping_all};
pub use place::DeviceVectors;
pub use serial_input::bind_console;
pub use shootdown::{flush_kernel_pages, flush_program, flush_program_page, flush_program_range, keep_back};
pub use storm::{Rate, storms};
