//! What the ring-3 programs of this crate share. Each program is a file of its own under `src/bin`.
//!
//! * `demo` is the kernel's default first program: faults and system calls on all CPUs, counted.
//! * `suite` is the first program that runs the hazards: every other program, one hazard a file.
//! * `fault` and `worker` are what `demo` starts on every CPU.
#![cfg_attr(not(test), no_std)]

mod archive;
mod base_register;
mod boundary;
mod breakpoint_judge;
mod check;
pub mod child;
mod command_line;
mod debuggee_site;
pub mod edu;
mod everything;
mod expected_end;
mod family;
mod fault;
mod first_program;
mod int_n;
mod paged_region;
mod pci_bus;
pub mod raw;
pub mod real_time_clock;
mod shared_values;
mod site;
mod swap_pages;
mod trap_case;
mod trap_event;
pub mod waiting;
mod worker_plan;

pub use archive::{ArchiveName, archive_names};
pub use base_register::{BaseRegister, LOOKS_LIKE_KERNEL};
pub use boundary::{BOUNDARY_PAGE, BOUNDARY_SITE};
pub use breakpoint_judge::BreakpointJudge;
pub use check::{ThreadPlan, WRONG, cpus, ok, run_threads, wrong};
pub use child::{end, endpoint, start as child};
pub use command_line::{UnreadableNumber, number_in, read_number};
pub use debuggee_site::{
    DEBUGGEE_BEHIND_STORE, DEBUGGEE_INCREMENT, DEBUGGEE_INCREMENT_BYTE, DEBUGGEE_INSTRUCTIONS, DEBUGGEE_SPINS,
    DEBUGGEE_START, DEBUGGEE_STORE, DEBUGGEE_TURNS, DEBUGGEE_VARIABLE,
};
pub use everything::use_everything;
pub use expected_end::{ExpectedEnd, ExpectedTrap, Mismatch, Place};
pub use family::{
    PLAIN, delete, exits_well, fault_in_time, forget, in_use, is_shut_down, nobody_ends, nothing_is_left,
    receive_in_time, rounds, settled, start,
};
pub use fault::{Fault, KERNEL_DIRECT_MAP, KERNEL_IMAGE, NON_CANONICAL, UNMAPPED, page_fault_code};
pub use first_program::finish;
pub use int_n::{INT_N_STRIDE, int_n_site};
pub use paged_region::{
    IMAGE_PAGES, IMAGE_REGION, PAGED_REGION, PAGED_STACK_PAGES, PAGED_STACK_TOP, image_word, unmap_range,
};
pub use pci_bus::{NVME, enable_memory, find_function};
pub use shared_values::{
    LOCAL_CALL_GATE, LOCAL_DATA, PROGRAM_END_STATUS, SWAP_ERROR_PAGES, SWAP_WAITER_PAGES, UNMAP_ELSEWHERE_PAGE,
    UNRELIABLE_SITES,
};
pub use site::{SITE_STRIDE, SURVIVED, enter_site, site};
pub use swap_pages::{PAGE_WORDS, page_difference, page_word, write_page};
pub use trap_case::{TRAP_CASES, TrapCase, delivered};
pub use trap_event::record_trap_event;
pub use worker_plan::WorkerPlan;
