//! The host tool, called as `cargo xtask …`, and the library that tests use to boot the kernel.
//!
//! ```text
//! setup ─> kernel_build ─> archive ─> machine ─> qemu (process) ─> transcript (outcome, console, records)
//! ```
//!
//! A test that boots the kernel:
//!
//! ```no_run
//! use ci::machine::Machine;
//!
//! let transcript = Machine::new().smp(2).run()?;
//! assert!(transcript.outcome.is_pass(), "{transcript}");
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod archive;
pub mod command;
pub mod display;
pub mod firmware;
pub mod iso;
pub mod kernel_build;
pub mod limine;
pub mod machine;
pub mod outcome;
pub mod output_file;
pub mod policy;
pub mod process;
pub mod qemu;
pub mod record;
pub mod result;
pub mod session;
pub mod setup;
pub mod symbols;
pub mod testing;
pub mod toolchain;
pub mod transcript;
pub mod workspace;
