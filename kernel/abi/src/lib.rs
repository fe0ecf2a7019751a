//! Numbers and memory layouts that the kernel and its ring-3 programs share.
//!
//! Everything here is plain data: no code of either side. `docs/abi.md` is the prose.
#![cfg_attr(not(test), no_std)]

mod capability;
mod debugging;
mod error;
mod information;
mod message;
mod program;
mod system_call;
mod test_hook;
mod timer;
mod trap_number;

pub use capability::{
    Rights, SLOT_ANY, SLOT_DEVICE_CONTROL, SLOT_FIRST_FREE, SLOT_FIRST_THREAD, SLOT_NONE, SLOT_OWN_PROGRAM, rights,
};
pub use debugging::{
    BREAKPOINT_EXECUTE, BREAKPOINT_NONE, BREAKPOINT_READ_WRITE, BREAKPOINT_WRITE, DEBUG_SINGLE_STEP,
    HARDWARE_BREAKPOINTS, ThreadInformation, ThreadState,
};
pub use error::Error;
pub use information::{
    BootProtocol, CpuInformation, INFORMATION_COMMAND_LINE, INFORMATION_CPU, INFORMATION_PROGRAM_NAME,
    INFORMATION_SWAP, INFORMATION_SYSTEM, SwapInformation, SystemInformation,
};
pub use message::{
    FaultMessage, MessageTag, REPLY_KILL, REPLY_REGISTERS, REPLY_RESUME, ThreadRegisters, UTCB_BASE, UTCB_CAPABILITIES,
    UTCB_RECEIVE_SLOTS,
};
pub use program::{
    AFFINITY_LIMIT, ALL_OTHER_CPUS, ANY_CPU, DEFAULT_PRIORITY, EndCause, PRIORITIES, PageLoss, ProgramEnd, SPAWN_QUIET,
    SPAWN_SUSPENDED,
};
pub use system_call::{BASE_FS, BASE_GS, SystemCall, TIMER_RELATIVE};
pub use test_hook::TestHook;
pub use timer::TimerFirings;
pub use trap_number::TrapNumber;
