//! Calls about notifications.

use alloc::sync::Arc;

use gatehouse_abi::Error;
use gatehouse_core::capability::Rights;

use super::capabilities::insert;
use super::dispatch::Outcome;
use super::look_up;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::ThisCpu;
use crate::ipc::{Notification, notification};
use crate::object::Counted;
use crate::thread::Thread;

pub(super) fn create(thread: &Thread) -> Result<u64, Error> {
    insert(thread.program(), Counted::first(Notification::new())?)
}

/// The notification behind a slot of the thread's program, and the capability's badge.
pub(super) fn find(thread: &Thread, number: u64, right: Rights) -> Result<(Arc<Notification>, u64), Error> {
    look_up::with(thread, number, right, |found: &Counted<Notification>, badge| (Arc::clone(found.object()), badge))
}

/// The same as a capability, which keeps the notification open.
pub(super) fn find_counted(thread: &Thread, number: u64, right: Rights) -> Result<(Counted<Notification>, u64), Error> {
    look_up::with(thread, number, right, |found: &Counted<Notification>, badge| (found.clone(), badge))
}

pub(super) fn signal(cpu: &ThisCpu, thread: &Thread, frame: &mut Frame, number: u64) -> Outcome {
    match find(thread, number, Rights::SEND) {
        Ok((notification, badge)) => {
            frame.set_system_call_result(0);
            Outcome::Then(notification.signal(cpu, badge))
        }
        Err(error) => Outcome::Refused(error),
    }
}

pub(super) fn wait(cpu: &ThisCpu, thread: &Thread, frame: &mut Frame, number: u64, nanoseconds: u64) -> Outcome {
    match find(thread, number, Rights::RECEIVE) {
        Ok((notification, _)) => Outcome::Then(notification::wait(cpu, frame, &notification, nanoseconds)),
        Err(error) => Outcome::Refused(error),
    }
}
