//! Kernel objects, as capabilities hold them.

use alloc::sync::Arc;

use crate::capability::Object;
use crate::ipc::Endpoint;
use crate::program::Program;
use crate::thread::Thread;

/// What a capability stands for.
#[derive(Debug)]
pub enum KernelObject {
    /// Where messages are sent and received. Counts its capabilities: with the last one it closes.
    Endpoint(Arc<Endpoint>),
    /// A thread.
    Thread(Arc<Thread>),
    /// A program: its memory and its capabilities.
    Program(Arc<Program>),
}

impl Object for KernelObject {
    fn share(&self) -> Option<Self> {
        Some(match self {
            Self::Endpoint(endpoint) => {
                endpoint.add_capability();
                Self::Endpoint(Arc::clone(endpoint))
            }
            Self::Thread(thread) => Self::Thread(Arc::clone(thread)),
            Self::Program(program) => Self::Program(Arc::clone(program)),
        })
    }
}
