//! Kernel objects, as capabilities hold them.

use alloc::sync::{Arc, Weak};

use super::{Counted, Ports, TimerCapability};
use crate::capability::Object;
use crate::ipc::{Endpoint, Notification, SavedReply};
use crate::irq::Interrupt;
use crate::memory::shared_frame::SharedFrame;
use crate::pci::Device;
use crate::program::Program;
use crate::thread::Thread;

/// What a capability stands for.
#[derive(Debug)]
pub enum KernelObject {
    /// Where messages are sent and received.
    Endpoint(Counted<Endpoint>),
    /// A thread.
    Thread(Arc<Thread>),
    /// A program: its memory and its capabilities.
    Program(Arc<Program>),
    /// A frame that programs share.
    Frame(Arc<SharedFrame>),
    /// The right to reply once.
    Reply(Counted<SavedReply>),
    /// The right to make interrupts and port ranges.
    DeviceControl,
    /// An interrupt line.
    Interrupt(Counted<Interrupt>),
    /// I/O ports.
    Ports(Ports),
    /// A function of a PCI device.
    Device(Arc<Device>),
    /// Bits that are signalled and waited for.
    Notification(Counted<Notification>),
    /// A timer.
    Timer(TimerCapability),
}

impl Object for KernelObject {
    /// The thread whose fault handler it is.
    type Holder = Weak<Thread>;

    fn share(&self) -> Option<Self> {
        Some(match self {
            Self::Endpoint(endpoint) => Self::Endpoint(endpoint.again()),
            Self::Thread(thread) => Self::Thread(Arc::clone(thread)),
            Self::Program(program) => Self::Program(Arc::clone(program)),
            Self::Frame(frame) => Self::Frame(Arc::clone(frame)),
            Self::Reply(reply) => Self::Reply(reply.again()),
            Self::DeviceControl => Self::DeviceControl,
            Self::Interrupt(interrupt) => Self::Interrupt(interrupt.again()),
            Self::Ports(ports) => Self::Ports(ports.clone()),
            Self::Device(device) => Self::Device(Arc::clone(device)),
            Self::Notification(notification) => Self::Notification(notification.again()),
            Self::Timer(timer) => Self::Timer(timer.clone()),
        })
    }
}
