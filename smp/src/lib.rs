//! CPUs of an x86-64 machine: who they are, how they start, how they are kicked.
//!
//! Usable by any kernel: nothing here knows one. The kernel gives memory, a [`Clock`] and its entry function.
//!
//! # Bring-up
//!
//! ```text
//!  boot CPU                                        each application processor (AP)
//!  ────────                                        ───────────────────────────────
//!  madt::Topology        who is there
//!  local_apic            choose_mode, enable
//!  StartRecord per AP    state = Waiting
//!  TrampolinePage        code + header, below 1 MiB
//!  bring_up::start_all:
//!    INIT  ─────────────────────────────────────►  reset, waits for SIPI
//!    10 ms
//!    SIPI  ─────────────────────────────────────►  page:0000, real mode
//!    200 µs                                          16 → 32 → 64 bit, parameters from the header
//!    SIPI again, to those still Waiting              CPUID: own APIC id; its record by linear search
//!                                                    claim: Waiting → Started        (compare-exchange)
//!                                                    stack and argument from the record
//!                                                    entry(argument), in the kernel:
//!                                                      per-CPU state, LocalApic::enable
//!    waits for all, or the deadline                    mark_online: Started → Online (compare-exchange)
//!    gives up: Waiting → TimedOut, INIT again
//!              Started → Stalled                   an AP that loses a compare-exchange halts for ever
//!  Report: online, dead, time
//! ```
//!
//! All APs run through this at the same time. Each record has one winner for each step, so a CPU is either
//! online or dead for both sides, however late it comes.
//!
//! # Afterwards
//!
//! [`ipi::PendingSet`] says why a CPU was kicked, [`call`] runs something on other CPUs and waits for it, [`tlb`]
//! is the most frequent such thing, [`IoApic`](io_apic::IoApic) brings device interrupts.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod atomic;
pub mod bring_up;
pub mod call;
mod clock;
pub mod icr;
pub mod io_apic;
pub mod ipi;
pub mod local_apic;
pub mod madt;
mod set;
pub mod tlb;
pub mod trampoline;

pub use clock::Clock;
pub use percpu::{ApicId, CpuIndex};
pub use set::CpuSet;
