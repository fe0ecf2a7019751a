//! Kernel objects, as capabilities hold them.

use alloc::sync::Arc;

use super::TimerCapability;
use crate::capability::Object;
use crate::cpu;
use crate::ipc::{self, Endpoint};
use crate::program::Program;
use crate::thread::Thread;

/// What a capability stands for.
#[derive(Debug)]
pub enum KernelObject {
    /// Where messages are sent and received.
    Endpoint(EndpointCapability),
    /// A thread.
    Thread(Arc<Thread>),
    /// A program: its memory and its capabilities.
    Program(Arc<Program>),
    /// A timer.
    Timer(TimerCapability),
}

impl Object for KernelObject {
    fn share(&self) -> Option<Self> {
        Some(match self {
            Self::Endpoint(EndpointCapability(endpoint)) => {
                endpoint.add_capability();
                Self::Endpoint(EndpointCapability(Arc::clone(endpoint)))
            }
            Self::Thread(thread) => Self::Thread(Arc::clone(thread)),
            Self::Program(program) => Self::Program(Arc::clone(program)),
            Self::Timer(timer) => Self::Timer(timer.clone()),
        })
    }
}

/// One capability of an endpoint. The last one that is dropped closes it; capability spaces drop what leaves them outside
/// of their locks.
#[derive(Debug)]
pub struct EndpointCapability(Arc<Endpoint>);

impl EndpointCapability {
    /// The first capability of a new endpoint.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Endpoint::new()))
    }

    /// The endpoint.
    #[must_use]
    #[inline(always)]
    pub const fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Default for EndpointCapability {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for EndpointCapability {
    fn drop(&mut self) {
        if self.0.remove_capability() {
            ipc::close(&cpu::this(), &self.0);
        }
    }
}
