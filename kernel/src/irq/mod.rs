//! What comes from outside the instruction stream: other CPUs, the timer, devices.

mod device;
mod flush;
mod ipi;

pub use device::{controller_error, device};
pub use flush::{flush_kernel_pages, flush_program, serve_flush};
pub use ipi::{ipi, timer};
