//! What is known about the machine once it runs.

use alloc::string::String;
use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_abi::BootProtocol;
use spin::Once;

static FACTS: Once<Facts> = Once::new();

/// Facts that never change, and two that are known late.
#[derive(Debug)]
pub struct Facts {
    /// How the kernel was started.
    pub protocol: BootProtocol,
    /// The command line.
    pub command_line: String,
    bring_up_ns: AtomicU64,
    bytes_per_cpu: AtomicU64,
}

impl Facts {
    /// Nanoseconds from the first INIT until the last CPU was online or given up.
    #[must_use]
    pub fn bring_up_ns(&self) -> u64 {
        self.bring_up_ns.load(Ordering::Relaxed)
    }

    /// Bytes of memory that each CPU takes for itself: measured when all blocks were made.
    #[must_use]
    pub fn bytes_per_cpu(&self) -> u64 {
        self.bytes_per_cpu.load(Ordering::Relaxed)
    }

    /// Notes them, once they are known.
    pub fn set_bytes_per_cpu(&self, bytes: u64) {
        self.bytes_per_cpu.store(bytes, Ordering::Relaxed);
    }

    /// Notes them, once they are known.
    pub fn set_bring_up_ns(&self, nanoseconds: u64) {
        self.bring_up_ns.store(nanoseconds, Ordering::Relaxed);
    }
}

/// Takes in what is known from the start: once, on the first CPU.
pub fn install(protocol: BootProtocol, command_line: &str) {
    FACTS.call_once(|| Facts {
        protocol,
        command_line: String::from(command_line),
        bring_up_ns: AtomicU64::new(0),
        bytes_per_cpu: AtomicU64::new(0),
    });
}

/// The facts.
///
/// # Panics
/// Before the first CPU has collected them.
#[must_use]
pub fn facts() -> &'static Facts {
    FACTS.get().expect("facts are collected before anything asks for them")
}
