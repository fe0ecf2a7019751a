//! Messages, faults, replies and signals.

use crate::config::{Seeded, Sending};
use crate::run::Run;
use crate::state::{Object, Violation, Wait};
use crate::step::{End, Lock, Next, Step};

impl Run<'_> {
    /// A step of this kind.
    pub(crate) fn message_step(&mut self, step: Step) {
        match step {
            Step::Send(endpoint, sending) => self.send(endpoint, sending),
            Step::NoHandler(sending) => self.no_handler(sending),
            Step::SetLink(server, client) => {
                self.touch(server);
                self.touch(client);
                let waits = self.thread(client).waits;
                self.thread(server).serves = Some((client, waits));
                self.thread(client).server = Some(server);
            }
            Step::Owe(server, client) => {
                self.touch(server);
                let at_breakpoint = matches!(self.thread(client).wait, Wait::ForReply(Sending::Breakpoint));
                self.thread(server).client = Some((client, at_breakpoint));
            }
            Step::Forget => {
                let Some(server) = self.me().current else { return };
                if let Some((client, _)) = self.thread(server).client.take() {
                    self.then(&[Step::ClearLink(client), Step::Abandon(client)]);
                }
            }
            Step::Receive(endpoint) => self.receive(endpoint),
            Step::HonourMarks(thread) => self.honour_marks(thread),
            Step::ClearLink(client) => {
                self.touch(client);
                if !self.has(Seeded::StaleServer) {
                    self.thread(client).server = None;
                }
            }
            Step::Answer(client, kills) => self.answer(client, kills),
            Step::SaveRight(reply) => self.save_right(reply),
            Step::TakeSaved(reply) => self.take_saved(reply),
            Step::EmptySlot(slot, reply) => {
                let is_owed = self.state.replies[reply].client.is_some();
                if !is_owed && self.state.slots[slot] == Some(Object::Reply(reply)) {
                    self.state.slots[slot] = None;
                    self.then(&[Step::DropCapability(Object::Reply(reply))]);
                }
            }
            Step::Inspect(reply) => {
                self.touch_object(Object::Reply(reply));
                if let Some(client) = self.state.replies[reply].client {
                    self.touch(client);
                }
            }
            Step::DropReference(object) => self.drop_reference(object),
            Step::WriteFrame => {
                if let Some(frame) = self.me().frame {
                    self.touch(frame);
                }
            }
            Step::TakeBreakpoint(thread) => self.take_breakpoint(thread),
            Step::TakeBreakpointRight(thread, server) => self.take_breakpoint_right(thread, server),
            Step::PutBack(server, client) => {
                self.unlock(Lock::Waits);
                self.thread(server).client = Some((client, false));
            }
            Step::Signal(notification) => self.signal(notification),
            Step::WaitFor(notification, limited) => self.wait_for(notification, limited),
            Step::Interrupted => {
                self.lock(Lock::Driver);
                match self.state.interrupt.bound {
                    Some(notification) if self.has(Seeded::WakeUnderLock) => {
                        self.me().inline = true;
                        self.then(&[Step::Signal(notification), Step::Unlock(Lock::Driver)]);
                    }
                    // Taken under the lock, and woken behind it.
                    Some(notification) => {
                        self.then(&[Step::Unlock(Lock::Driver)]);
                        self.signal(notification);
                        self.wake_behind_unlock();
                    }
                    None => self.then(&[Step::Unlock(Lock::Driver)]),
                }
            }
            Step::LockHandler(thread, slot) => self.lock_handler(thread, slot),
            Step::Bind(thread, slot) => self.bind(thread, slot),
            Step::DeliverPending(thread) => self.deliver_pending(thread),
            Step::SendPending(thread, endpoint) => self.send_pending(thread, endpoint),
            _ => {}
        }
    }

    /// The running thread leaves the CPU, to wait.
    fn block(&mut self, wait: Wait) -> Option<usize> {
        let thread = self.me().current.take()?;
        self.thread(thread).wait = wait;
        self.thread(thread).waits += 1;
        Some(thread)
    }

    fn send(&mut self, endpoint: usize, sending: Sending) {
        self.touch_object(Object::Endpoint(endpoint));
        let Some(running) = self.me().current else { return };
        if !self.state.endpoints[endpoint].receivers.is_empty() {
            let receiver = self.state.endpoints[endpoint].receivers.remove(0);
            self.touch(receiver);
            self.thread(receiver).endpoint = None;
            self.block(Wait::ForReply(sending));
            self.then(&[Step::SetLink(receiver, running), Step::Owe(receiver, running), Step::RunInstead(receiver)]);
            return;
        }
        let has_handler = !sending.is_fault() || self.thread(running).bound.is_some();
        if self.state.endpoints[endpoint].closed || !has_handler {
            if sending.is_fault() {
                self.then(&[Step::NoHandler(sending)]);
            }
            return;
        }
        self.block(Wait::ToSend(sending));
        self.thread(running).endpoint = Some(endpoint);
        self.state.endpoints[endpoint].senders.push(running);
        self.me().next = Next::Choose;
    }

    /// The running thread takes a fault.
    pub(crate) fn begin_fault(&mut self, thread: usize, sending: Sending) {
        let target = self.thread(thread);
        let (Some(endpoint), Some(_)) = (target.handler, target.bound) else {
            self.then(&[Step::NoHandler(sending)]);
            return;
        };
        if self.config.threads[thread].limited {
            self.limit_wait(thread);
        }
        self.then(&[Step::Send(endpoint, sending)]);
    }

    fn limit_wait(&mut self, thread: usize) {
        let target = self.thread(thread);
        target.limit.set = true;
        target.limit.wait = target.waits + 1;
        target.timed = true;
    }

    fn no_handler(&mut self, sending: Sending) {
        let Some(thread) = self.me().current else { return };
        self.thread(thread).timed = false;
        self.limit_is_over(thread);
        self.me().current = None;
        self.me().next = Next::Choose;
        if sending == Sending::Breakpoint {
            self.then(&[Step::Pause(thread)]);
        } else {
            self.me().root = None;
            let program = self.program_of(thread);
            self.then(&[Step::DecideEnd(program), Step::PutGone(thread)]);
        }
    }

    fn receive(&mut self, endpoint: usize) {
        self.touch_object(Object::Endpoint(endpoint));
        let Some(receiver) = self.me().current else { return };
        if self.state.endpoints[endpoint].senders.is_empty() {
            if !self.state.endpoints[endpoint].closed {
                self.block(Wait::ToReceive);
                self.thread(receiver).endpoint = Some(endpoint);
                self.state.endpoints[endpoint].receivers.push(receiver);
                self.me().next = Next::Choose;
            }
            return;
        }
        let sender = self.state.endpoints[endpoint].senders.remove(0);
        self.touch(sender);
        self.thread(sender).endpoint = None;
        if let Wait::ToSend(sending) = self.thread(sender).wait {
            self.thread(sender).wait = Wait::ForReply(sending);
        }
        if !self.has(Seeded::LostInHands) {
            self.thread(sender).references += 1;
            self.then(&[Step::HonourMarks(sender)]);
        }
        self.then(&[Step::SetLink(receiver, sender), Step::Owe(receiver, sender)]);
    }

    /// The running thread's client is taken, and answered.
    pub(crate) fn take_client_and(&mut self, kills: bool) {
        let Some(server) = self.me().current else { return };
        let Some((client, _)) = self.thread(server).client.take() else { return };
        let serves = self.thread(server).serves;
        self.check_caller(client, serves);
        self.then(&[Step::ClearLink(client), Step::Answer(client, kills)]);
    }

    /// The reply goes to the call that was received.
    fn check_caller(&mut self, client: usize, serves: Option<(usize, u8)>) {
        self.touch(client);
        if serves != Some((client, self.thread(client).waits)) {
            self.broken(Violation::WrongCaller);
        }
    }

    fn answer(&mut self, client: usize, kills: bool) {
        self.touch(client);
        let is_fault = matches!(self.thread(client).wait, Wait::ForReply(sending) if sending.is_fault());
        if kills && is_fault {
            self.put(End::Unhandled(client));
            return;
        }
        self.thread(client).wait = Wait::Nothing;
        self.wake(client);
    }

    fn save_right(&mut self, reply: usize) {
        let Some(server) = self.me().current else { return };
        let Some((client, _)) = self.thread(server).client.take() else { return };
        self.state.replies[reply].serves = self.thread(server).serves;
        if !self.has(Seeded::StaleServer) {
            self.thread(client).server = None;
        }
        self.thread(client).saved = Some(reply);
        self.state.replies[reply].client = Some(client);
    }

    fn take_saved(&mut self, reply: usize) {
        self.touch_object(Object::Reply(reply));
        let Some(client) = self.state.replies[reply].client.take() else { return };
        self.thread(client).saved = None;
        let serves = self.state.replies[reply].serves;
        self.check_caller(client, serves);
        // First the slot is emptied, and then the client is woken.
        let empty = self.me().todo.pop();
        self.then(&[Step::Answer(client, false)]);
        self.me().todo.extend(empty);
    }

    fn drop_reference(&mut self, object: Object) {
        self.state.counts(object).references -= 1;
        let Object::Reply(reply) = object else { return };
        if self.has(Seeded::LastReferenceEnds) && self.state.replies[reply].counts.is_freed() {
            self.me().inline = true;
            if let Some(client) = self.state.replies[reply].client.take() {
                self.thread(client).saved = None;
                self.then(&[Step::Abandon(client)]);
            }
        }
    }

    fn take_breakpoint(&mut self, thread: usize) {
        self.touch(thread);
        let is_at =
            |wait: Wait| matches!(wait, Wait::ToSend(Sending::Breakpoint) | Wait::ForReply(Sending::Breakpoint));
        if let Some(endpoint) = self.thread(thread).endpoint {
            self.touch_object(Object::Endpoint(endpoint));
            if is_at(self.thread(thread).wait) && self.state.endpoints[endpoint].senders.contains(&thread) {
                self.state.endpoints[endpoint].senders.retain(|other| *other != thread);
                self.thread(thread).endpoint = None;
                self.let_go_on(thread);
                return;
            }
        }
        if let Some(reply) = self.thread(thread).saved {
            self.touch_object(Object::Reply(reply));
            if is_at(self.thread(thread).wait) {
                self.state.replies[reply].client = None;
                self.thread(thread).saved = None;
                self.let_go_on(thread);
            }
            return;
        }
        if let Some(server) = self.thread(thread).server {
            self.lock(Lock::Waits);
            self.then(&[Step::TakeBreakpointRight(thread, server)]);
        }
    }

    fn take_breakpoint_right(&mut self, thread: usize, server: usize) {
        self.touch(server);
        if self.thread(server).client == Some((thread, true)) {
            self.thread(server).client = None;
            self.thread(thread).server = None;
            self.unlock(Lock::Waits);
            self.let_go_on(thread);
        } else if self.has(Seeded::PutBack) && self.thread(server).client == Some((thread, false)) {
            // Taken, whatever it is, to be looked at; and put back.
            self.thread(server).client = None;
            self.then(&[Step::PutBack(server, thread)]);
        } else {
            self.unlock(Lock::Waits);
        }
    }

    fn let_go_on(&mut self, thread: usize) {
        self.thread(thread).wait = Wait::Nothing;
        self.then(&[Step::Wake(thread)]);
    }

    fn signal(&mut self, notification: usize) {
        self.touch_object(Object::Notification(notification));
        if self.state.notifications[notification].waiters.is_empty() {
            self.state.notifications[notification].bits = true;
            return;
        }
        let waiter = self.state.notifications[notification].waiters.remove(0);
        self.touch(waiter);
        self.thread(waiter).notification = None;
        self.let_go_on(waiter);
    }

    /// The step that wakes comes behind the one that unlocks.
    fn wake_behind_unlock(&mut self) {
        let length = self.me().todo.len();
        if let Some(Step::Wake(_)) = self.me().todo.last() {
            self.me().todo.swap(length - 1, length - 2);
        }
    }

    fn wait_for(&mut self, notification: usize, limited: bool) {
        self.touch_object(Object::Notification(notification));
        let Some(thread) = self.me().current else { return };
        if self.state.notifications[notification].bits || self.state.notifications[notification].closed {
            self.state.notifications[notification].bits = false;
            return;
        }
        if limited {
            self.limit_wait(thread);
        }
        self.block(Wait::ForNotification);
        self.thread(thread).notification = Some(notification);
        self.state.notifications[notification].waiters.push(thread);
        self.me().next = Next::Choose;
    }
}
