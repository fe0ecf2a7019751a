//! Failures of the kernel that one program pays for, and not the machine.
//!
//! An overflow of a kernel stack leaves the kernel in the middle of something. It can go on all the same if that something
//! was one thread's business and nobody else depends on it: see [`contain_overflow`] for what is asked. Then the CPU starts
//! again at the top of its interrupt stack ([`restart`](crate::arch::restart)), and the program of the thread is ended.

mod overflow;

pub use overflow::{contain_overflow, started_again};
