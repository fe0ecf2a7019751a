//! The calls on capabilities by bare numbers: for tests that pass slots that hold nothing, or something else, and that hand slots
//! from thread to thread as arguments. Programs that mean what they say use [`gatehouse_runtime::capability`].
//!
//! The functions have the names of the system calls. Where a call answers nothing, they answer 0, as the kernel does.

pub mod affinity;
pub mod control;
pub mod debugger;
pub mod device;
pub mod frame;
pub mod message;
pub mod notification;
