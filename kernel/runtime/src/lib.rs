//! What a ring-3 program of Gatehouse needs: an entry point, the system calls, threads, mapped
//! memory, typed capabilities ([`capability`]), a console and a panic handler. No heap; nothing but `core`.
//!
//! A whole program:
//!
//! ```no_run
//! #![cfg_attr(target_os = "none", no_std, no_main)]
//!
//! use gatehouse_runtime::{Kernel, entry, println, thread::Thread};
//!
//! entry!(run);
//!
//! /// The return value is the exit status.
//! fn run(argument: u64) -> u64 {
//!     println!("argument {argument}, on CPU {}", Kernel::cpu_number());
//!     let helper = match Thread::spawn(double, 21, gatehouse_runtime::abi::ANY_CPU) {
//!         Ok(thread) => thread,
//!         Err(error) => panic!("no thread: {error:?}"),
//!     };
//!     match helper.join(1_000_000_000) {
//!         Some(answer) => println!("the other thread says {answer}"),
//!         None => panic!("the other thread did not end within a second"),
//!     }
//!     0
//! }
//!
//! fn double(value: u64) -> u64 { value * 2 }
//! ```
//!
//! A server, a pager and a driver of about sixty lines each are `tests/programs/src/bin/example_*.rs`.
//!
//! The program's `build.rs`, which hands the linker script of this crate to the linker:
//!
//! ```ignore
//! fn main() {
//!     if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
//!         let script = std::env::var("DEP_GATEHOUSE_RUNTIME_LINKER_SCRIPT").expect("gatehouse-runtime is a dependency");
//!         println!("cargo::rustc-link-arg-bins=-T{script}");
//!     }
//! }
//! ```
//!
//! Build it for `x86_64-unknown-none` with `-C relocation-model=static -C link-arg=--no-pie`. On any other
//! target the same source is an ordinary executable that refuses to run, so that `cargo check`,
//! `cargo clippy` and `cargo test` work on the host.
#![cfg_attr(not(test), no_std)]

pub mod affinity;
pub mod array;
pub mod capability;
pub mod console;
pub mod control;
pub mod debugger;
pub mod device;
mod entry;
pub mod entry_point;
pub mod frame;
mod kernel;
pub mod memory;
pub mod message;
pub mod notification;
pub mod pager;
#[cfg(target_os = "none")]
mod panic;
pub mod register_pattern;
pub mod supervisor;
pub mod test_hook;
pub mod thread;
pub mod time;
pub mod timer;

pub use gatehouse_abi as abi;

#[doc(hidden)]
pub use entry::start;
pub use kernel::{Calls, Kernel, KernelByInt80};
