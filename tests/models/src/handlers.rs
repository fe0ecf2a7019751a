//! How a paused thread gets a fault handler, and its breakpoint is told.

use crate::config::{Seeded, Sending};
use crate::run::Run;
use crate::state::{Object, Wait};
use crate::step::{Lock, Step};

impl Run<'_> {
    pub(crate) fn lock_handler(&mut self, thread: usize, slot: usize) {
        let program = self.program_of(thread);
        if !self.state.programs[program].paused.contains(&thread) {
            return;
        }
        self.lock(Lock::Life(program));
        self.lock(Lock::Handler(thread));
        self.then(&[Step::Bind(thread, slot)]);
    }

    pub(crate) fn bind(&mut self, thread: usize, slot: usize) {
        let program = self.program_of(thread);
        let unlock = [Step::Unlock(Lock::Handler(thread)), Step::Unlock(Lock::Life(program))];
        let Some(object) = self.state.slots[slot] else {
            self.then(&unlock);
            return;
        };
        // Shared with the slot.
        self.state.counts(object).capabilities += 1;
        let Object::Endpoint(endpoint) = object else {
            let drops = Step::DropCapability(object);
            if self.has(Seeded::DropUnderLock) {
                self.me().inline = true;
                self.then(&[drops, unlock[0], unlock[1]]);
            } else {
                self.then(&[unlock[0], unlock[1], drops]);
            }
            return;
        };
        self.state.counts(object).references += 1;
        let target = self.thread(thread);
        let (handler, bound) = (target.handler.replace(endpoint), target.bound.replace(slot));
        self.then(&[Step::TakePaused(thread)]);
        if let Some(old) = handler {
            self.state.endpoints[old].counts.references -= 1;
            if bound.is_some() {
                self.then(&[Step::DropCapability(Object::Endpoint(old))]);
            }
        }
        self.then(&unlock);
    }

    /// The caller owns the thread, which stands at a breakpoint.
    pub(crate) fn deliver_pending(&mut self, thread: usize) {
        let target = self.thread(thread);
        match (target.handler, target.bound) {
            (Some(endpoint), Some(_)) => {
                target.references += 1;
                self.state.endpoints[endpoint].counts.references += 1;
                let drops = Step::DropReference(Object::Endpoint(endpoint));
                self.then(&[Step::SendPending(thread, endpoint), Step::HonourMarks(thread), drops]);
            }
            _ => self.then(&[Step::Pause(thread)]),
        }
    }

    pub(crate) fn send_pending(&mut self, thread: usize, endpoint: usize) {
        self.touch_object(Object::Endpoint(endpoint));
        self.thread(thread).waits += 1;
        if !self.state.endpoints[endpoint].receivers.is_empty() {
            let receiver = self.state.endpoints[endpoint].receivers.remove(0);
            self.touch(receiver);
            self.thread(receiver).endpoint = None;
            self.thread(thread).wait = Wait::ForReply(Sending::Breakpoint);
            self.thread(receiver).wait = Wait::Nothing;
            self.then(&[Step::SetLink(receiver, thread), Step::Owe(receiver, thread), Step::Wake(receiver)]);
        } else if !self.state.endpoints[endpoint].closed && self.thread(thread).bound.is_some() {
            self.thread(thread).wait = Wait::ToSend(Sending::Breakpoint);
            self.thread(thread).endpoint = Some(endpoint);
            self.state.endpoints[endpoint].senders.push(thread);
        } else {
            self.then(&[Step::Pause(thread)]);
        }
    }
}
