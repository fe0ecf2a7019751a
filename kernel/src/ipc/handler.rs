//! Where a thread's faults go: binding, inheriting and unbinding its handler.
//!
//! The binding is a capability that lies in no slot: [`FOREST`] knows it as derived from the slot that was bound, and
//! reports it when that slot is deleted or revoked. From then on the thread has no handler.
//!
//! A fault takes no lock to find its endpoint. The thread has a pointer to it, which [`Holder::unbind`] clears on any CPU while
//! the thread runs on another; the endpoint itself stays with the thread until it binds another or ends, so that a fault
//! that has just read the pointer may follow it. Such a fault looks at the pointer once more under the lock of the
//! endpoint's queues, before it waits there, and [`Holder::unbind`] looks into the queues after it has cleared the pointer:
//! none stays behind.

use alloc::sync::{Arc, Weak};

use gatehouse_abi::Error;
use gatehouse_core::capability::{self, Binding, Rights, Slot};

use super::cancel::abandon;
use super::endpoint::Endpoint;
use crate::cpu::ThisCpu;
use crate::object::{AnyObject, Counted, FOREST, Holder};
use crate::sync::try_lock_briefly;
use crate::thread::Thread;

/// A thread's part of a binding.
#[derive(Debug)]
pub struct FaultHandler {
    binding: Binding,
    /// Gone once the binding was removed.
    capability: Option<Counted<Endpoint>>,
    /// Kept for a fault that is under way.
    endpoint: Arc<Endpoint>,
    badge: u64,
    limit: u64,
}

impl FaultHandler {
    /// Where faults go, with the badge that tells whose they are; nowhere once the binding was removed.
    #[must_use]
    pub fn target(&self) -> Option<(&Arc<Endpoint>, u64)> {
        self.capability.as_ref().map(|_| (&self.endpoint, self.badge))
    }
}

/// What a thread had before. To be dropped with no lock held: its endpoint may close.
#[derive(Debug)]
#[must_use = "drop it with no lock held"]
pub struct Replaced(Option<FaultHandler>);

impl Drop for Replaced {
    fn drop(&mut self) {
        if let Some(old) = self.0.take() {
            // An error says that it was removed before: whoever did so finds another binding, or none.
            let _ = FOREST.unbind(old.binding);
        }
    }
}

/// Why nothing was bound; with what was in the slot, to be dropped with no lock held: it may be the last reference.
#[derive(Debug)]
#[must_use = "drop it with no lock held"]
pub struct Refused {
    /// What to tell the caller.
    pub error: Error,
    _object: Option<AnyObject>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, _object: None }
    }
}

/// Binds the endpoint in a slot of the running thread's program as the fault handler of `target`, which may take so many
/// nanoseconds for each reply; 0 for ever.
///
/// # Safety
/// `target` is the running thread of this CPU, or is off every CPU and stays so for the duration of the call.
///
/// # Errors
/// [`Refused`] with [`Error::BadCapability`], [`Error::NoRight`] or [`Error::OutOfMemory`].
pub unsafe fn bind(binder: &Thread, slot: Slot, target: &Arc<Thread>, limit: u64) -> Result<Replaced, Refused> {
    // Held until the binding is noted, so that whoever removes it meanwhile waits and finds it.
    let mut handler = target.handler().lock();
    let (binding, capability) =
        FOREST.bind(binder.program().capabilities(), slot, as_holder(target)).map_err(|error| match error {
            capability::Error::Exhausted => Error::OutOfMemory,
            _ => Error::BadCapability,
        })?;
    let (badge, rights) = (capability.badge, capability.rights);
    let refused = match capability.object.take::<Counted<Endpoint>>() {
        Ok(capability) if rights.contains(Rights::SEND) => Ok(capability),
        Ok(capability) => Err(Refused { error: Error::NoRight, _object: Some(AnyObject::new(capability)) }),
        Err(object) => Err(Refused { error: Error::BadCapability, _object: Some(object) }),
    };
    let capability = refused.inspect_err(|_| {
        // An error says that it was removed before.
        let _ = FOREST.unbind(binding);
    })?;
    let endpoint = Arc::clone(capability.object());
    // SAFETY: by the contract no fault of the thread is under way.
    unsafe { target.set_fault_endpoint(Some((&endpoint, badge, limit))) };
    Ok(Replaced(handler.replace(FaultHandler { binding, capability: Some(capability), endpoint, badge, limit })))
}

/// Leaves `target` without a fault handler.
///
/// # Safety
/// As for [`bind`].
pub unsafe fn clear(target: &Thread) -> Replaced {
    let mut handler = target.handler().lock();
    // SAFETY: by the contract no fault of the thread is under way.
    unsafe { target.set_fault_endpoint(None) };
    Replaced(handler.take())
}

/// Gives a thread that nobody else knows yet the handler of another, bound to the same capability.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn inherit(parent: &Thread, child: &Arc<Thread>) -> Result<(), Error> {
    let parents = parent.handler().lock();
    let Some(known) = parents.as_ref() else { return Ok(()) };
    let Some(capability) = known.capability.as_ref() else { return Ok(()) };
    // Not noted, as the second of its rank.
    let Some(mut handler) = try_lock_briefly(child.handler()) else { unreachable!("nobody else knows the thread") };
    let binding = match FOREST.bind_again(known.binding, as_holder(child)) {
        Ok(binding) => binding,
        Err(capability::Error::Exhausted) => return Err(Error::OutOfMemory),
        // Removed a moment ago: whoever did so waits for the lock to tell the parent.
        Err(_) => return Ok(()),
    };
    let (endpoint, badge, limit) = (Arc::clone(&known.endpoint), known.badge, known.limit);
    // SAFETY: the thread has not run yet.
    unsafe { child.set_fault_endpoint(Some((&endpoint, badge, limit))) };
    *handler = Some(FaultHandler { binding, capability: Some(capability.clone()), endpoint, badge, limit });
    Ok(())
}

/// A thread whose binding was removed has no handler any more, and its fault does not wait in the endpoint's queue.
impl Holder for Thread {
    fn unbind(self: Arc<Self>, cpu: &ThisCpu, binding: Binding) {
        let (capability, endpoint) = {
            let mut handler = self.handler().lock();
            let Some(known) = handler.as_mut().filter(|known| known.binding == binding) else { return };
            self.lose_fault_endpoint();
            (known.capability.take(), Arc::clone(&known.endpoint))
        };
        let waiting = endpoint.remove_fault(&self, |_| true);
        drop((capability, endpoint));
        // What is left of the reference goes first, so that the owner is the last one.
        drop(self);
        if let Some(waiting) = waiting {
            abandon(cpu, waiting);
        }
    }
}

/// By what the forest knows a thread that has a binding.
fn as_holder(thread: &Arc<Thread>) -> Weak<dyn Holder> {
    let thread: Weak<Thread> = Arc::downgrade(thread);
    thread
}

/// A thread is gone for good: gives its handler up.
pub fn release(thread: &Thread) {
    let old = thread.handler().lock().take();
    drop(Replaced(old));
}
