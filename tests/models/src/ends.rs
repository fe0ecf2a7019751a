//! Ends, and the search for threads that wait.

use crate::config::{Seeded, Sending};
use crate::run::Run;
use crate::state::{Object, Thread, Violation, Wait};
use crate::step::{End, Lock, Search, Step};

impl Run<'_> {
    /// A step of this kind.
    pub(crate) fn end_step(&mut self, step: Step) {
        match step {
            Step::TakeOut(thread, search) => self.take_out(thread, search),
            Step::TakeRight(thread, server, search) => self.take_right(thread, server, search),
            Step::Abandon(thread) => self.abandon(thread),
            Step::DropCapability(object) => self.drop_capability(object),
            Step::Unbind(thread, slot) => self.unbind(thread, slot),
            Step::DecideEnd(program) => {
                let decided = !core::mem::replace(&mut self.state.programs[program].ending, true);
                if decided {
                    self.put(End::Stop(program));
                }
            }
            Step::PutGone(thread) => self.put(End::Gone(thread)),
            Step::ReleaseClient(thread) => {
                if let Some((client, _)) = self.thread(thread).client.take() {
                    if !self.has(Seeded::StaleServer) {
                        self.thread(client).server = None;
                    }
                    self.then(&[Step::Abandon(client)]);
                }
            }
            Step::ReleaseHandler(thread) => {
                let (handler, bound) = (self.thread(thread).handler.take(), self.thread(thread).bound.take());
                if let Some(endpoint) = handler {
                    self.state.endpoints[endpoint].counts.references -= 1;
                    if bound.is_some() {
                        self.then(&[Step::DropCapability(Object::Endpoint(endpoint))]);
                    }
                }
            }
            Step::RemoveThread(thread) => {
                self.thread(thread).gone = true;
                let program = self.program_of(thread);
                self.state.programs[program].threads -= 1;
                if self.state.programs[program].threads == 0 {
                    self.put(End::Release(program));
                }
            }
            Step::NoteEnding(program) if self.state.programs[program].threads > 0 => self.state.ending.push(program),
            Step::CancelFrom(program, thread) => self.cancel_from(program, thread),
            Step::EndPaused(program) => {
                let paused = core::mem::take(&mut self.state.programs[program].paused);
                for thread in paused {
                    self.put(End::Gone(thread));
                }
            }
            Step::AskToReap(program) => {
                let of_program = |thread: &usize| self.config.threads[*thread].program == program;
                let threads: Vec<_> = (0..self.state.threads.len()).filter(of_program).collect();
                for thread in threads {
                    let home = self.config.threads[thread].cpu;
                    if !self.state.threads[thread].gone && home != self.cpu {
                        self.state.cpus[home].reap = true;
                    }
                }
            }
            Step::LoseCapabilities(program) => {
                self.state.ending.retain(|other| *other != program);
                for slot in 0..self.state.slots.len() {
                    if self.config.slots[slot].program == program {
                        self.delete(slot);
                    }
                }
            }
            Step::PutReport(program) => self.put(End::Report(program)),
            Step::Close(object) => self.close(object),
            Step::Report(program) => self.report(program),
            Step::MarkOverdue(thread) => {
                let limit = &mut self.thread(thread).limit;
                limit.overdue = true;
                if !limit.void {
                    self.thread(thread).references += 1;
                    self.then(&[Step::TakeOut(thread, Search::Deadline)]);
                }
            }
            _ => {}
        }
    }

    fn report(&mut self, program: usize) {
        if core::mem::replace(&mut self.state.programs[program].reported, true) {
            self.broken(Violation::Owners);
        }
    }

    /// Has something end when the handler is over; at once where a bug says so.
    pub(crate) fn put(&mut self, end: End) {
        if self.me().inline {
            self.run_end(end);
        } else {
            self.me().ends.push(end);
        }
    }

    /// Runs an end that has been taken out of the queue.
    pub(crate) fn run_end(&mut self, end: End) {
        let owner = self.cpu;
        let in_handler = !self.me().draining || self.me().inline;
        if in_handler || self.state.locks.iter().any(|(_, by)| *by == owner) {
            self.broken(Violation::NestedEnd);
        }
        match end {
            End::Close(object) => self.then(&[Step::Close(object)]),
            End::Gone(thread) => {
                self.touch(thread);
                if self.thread(thread).timed {
                    self.then(&[Step::Wake(thread)]);
                    return;
                }
                let steps = [Step::ReleaseClient(thread), Step::ReleaseHandler(thread), Step::RemoveThread(thread)];
                self.then(&steps);
            }
            End::Unhandled(thread) => {
                self.touch(thread);
                let program = self.program_of(thread);
                self.then(&[Step::DecideEnd(program), Step::PutGone(thread)]);
            }
            End::Stop(program) => self.then(&[
                Step::NoteEnding(program),
                Step::CancelFrom(program, 0),
                Step::EndPaused(program),
                Step::AskToReap(program),
                Step::Reap,
            ]),
            End::Release(program) => self.then(&[Step::LoseCapabilities(program), Step::PutReport(program)]),
            End::Report(program) => {
                if self.me().current.is_none() {
                    self.me().root = None;
                }
                self.then(&[Step::Report(program)]);
            }
        }
    }

    /// Looks for the threads of a program, one a step.
    pub(crate) fn cancel_from(&mut self, program: usize, from: usize) {
        let of_program =
            |thread: &usize| self.config.threads[*thread].program == program && !self.state.threads[*thread].gone;
        let Some(thread) = (from..self.state.threads.len()).find(of_program) else { return };
        self.thread(thread).references += 1;
        self.then(&[Step::TakeOut(thread, Search::Cancel), Step::CancelFrom(program, thread + 1)]);
    }

    pub(crate) fn honour_marks(&mut self, thread: usize) {
        self.touch(thread);
        let limit = self.thread(thread).limit;
        let ends = self.is_ending(thread);
        if ends || limit.overdue && !limit.void {
            self.then(&[Step::TakeOut(thread, Search::Honour { ends })]);
        } else {
            self.thread(thread).references -= 1;
        }
    }

    /// Under the lock of waits: looks where the thread may be. A right to reply is taken by a step of its own, the lock held.
    fn take_out(&mut self, thread: usize, search: Search) {
        self.touch(thread);
        let limit = self.thread(thread).limit;
        let is_for_limit = matches!(search, Search::Deadline | Search::Honour { ends: false });
        if is_for_limit && !self.has(Seeded::LimitAskedEarly) && (!limit.overdue || limit.void) {
            self.found(thread, search, false);
            return;
        }
        if let Some(endpoint) = self.thread(thread).endpoint {
            self.touch_object(Object::Endpoint(endpoint));
            let queues = &mut self.state.endpoints[endpoint];
            queues.senders.retain(|other| *other != thread);
            queues.receivers.retain(|other| *other != thread);
            self.thread(thread).endpoint = None;
            self.found(thread, search, true);
        } else if let Some(notification) = self.thread(thread).notification {
            self.touch_object(Object::Notification(notification));
            self.state.notifications[notification].waiters.retain(|other| *other != thread);
            self.thread(thread).notification = None;
            self.found(thread, search, true);
        } else if let Some(reply) = self.thread(thread).saved {
            self.touch_object(Object::Reply(reply));
            let taken = self.state.replies[reply].client.take().is_some();
            self.thread(thread).saved = None;
            self.found(thread, search, taken);
        } else if let Some(server) = self.thread(thread).server {
            self.lock(Lock::Waits);
            self.then(&[Step::TakeRight(thread, server, search)]);
        } else {
            self.found(thread, search, false);
        }
    }

    fn take_right(&mut self, thread: usize, server: usize, search: Search) {
        self.unlock(Lock::Waits);
        self.touch(server);
        let taken = self.thread(server).client.is_some_and(|(client, _)| client == thread);
        if taken {
            self.thread(server).client = None;
            if !self.has(Seeded::StaleServer) {
                self.thread(thread).server = None;
            }
        }
        self.found(thread, search, taken);
    }

    /// What comes of the search: the caller owns the thread if it was taken.
    fn found(&mut self, thread: usize, search: Search, taken: bool) {
        self.thread(thread).references -= 1;
        if !taken {
            return;
        }
        if matches!(search, Search::Cancel | Search::Honour { ends: true }) {
            self.put(End::Gone(thread));
            return;
        }
        let Thread { limit, waits, .. } = self.state.threads[thread];
        if !limit.overdue || limit.wait != waits {
            self.broken(Violation::WrongDeadline);
        }
        if matches!(search, Search::Deadline) {
            self.limit_is_over(thread);
        }
        match self.thread(thread).wait {
            Wait::ToSend(sending) | Wait::ForReply(sending) if sending.is_fault() => self.put(End::Unhandled(thread)),
            _ => {
                self.thread(thread).wait = Wait::Nothing;
                self.then(&[Step::Wake(thread)]);
            }
        }
    }

    fn abandon(&mut self, thread: usize) {
        self.touch(thread);
        match self.thread(thread).wait {
            Wait::ToSend(Sending::Breakpoint) | Wait::ForReply(Sending::Breakpoint) => {
                if !self.has(Seeded::LimitOutlives) && self.thread(thread).limit.set {
                    self.thread(thread).limit.void = true;
                }
                self.then(&[Step::Pause(thread)]);
            }
            Wait::ToSend(Sending::Fault) | Wait::ForReply(Sending::Fault) => self.put(End::Unhandled(thread)),
            _ => {
                self.thread(thread).wait = Wait::Nothing;
                self.then(&[Step::Wake(thread)]);
            }
        }
    }

    /// Empties a slot, and tells those whose handlers were bound by it.
    pub(crate) fn delete(&mut self, slot: usize) {
        for thread in 0..self.state.threads.len() {
            if self.thread(thread).bound == Some(slot) && !self.thread(thread).gone {
                self.thread(thread).references += 1;
                self.then(&[Step::Unbind(thread, slot)]);
            }
        }
        if let Some(object) = self.state.slots[slot].take() {
            self.then(&[Step::DropCapability(object)]);
        }
    }

    fn drop_capability(&mut self, object: Object) {
        self.touch_object(object);
        let with_last_reference = self.has(Seeded::LastReferenceEnds) && matches!(object, Object::Reply(_));
        let counts = self.state.counts(object);
        counts.capabilities -= 1;
        if counts.capabilities > 0 || with_last_reference && counts.references > 0 {
            return;
        }
        counts.references += 1;
        self.put(End::Close(object));
    }

    fn unbind(&mut self, thread: usize, slot: usize) {
        self.thread(thread).references -= 1;
        if self.thread(thread).bound != Some(slot) {
            return;
        }
        self.thread(thread).bound = None;
        let Some(endpoint) = self.thread(thread).handler else { return };
        let waits = matches!(self.thread(thread).wait, Wait::ToSend(sending) if sending.is_fault());
        if waits && self.state.endpoints[endpoint].senders.contains(&thread) {
            self.state.endpoints[endpoint].senders.retain(|other| *other != thread);
            self.thread(thread).endpoint = None;
            self.then(&[Step::DropCapability(Object::Endpoint(endpoint)), Step::Abandon(thread)]);
        } else {
            self.then(&[Step::DropCapability(Object::Endpoint(endpoint))]);
        }
    }

    fn close(&mut self, object: Object) {
        let mut waiting = Vec::new();
        match object {
            Object::Endpoint(endpoint) => {
                let queues = &mut self.state.endpoints[endpoint];
                queues.closed = true;
                waiting.append(&mut queues.senders);
                waiting.append(&mut queues.receivers);
            }
            Object::Notification(notification) => {
                self.state.notifications[notification].closed = true;
                waiting.append(&mut self.state.notifications[notification].waiters);
            }
            Object::Reply(reply) => waiting.extend(self.state.replies[reply].client.take()),
            Object::Interrupt => {
                if let Some(notification) = self.state.interrupt.bound.take() {
                    self.then(&[Step::DropCapability(Object::Notification(notification))]);
                }
            }
        }
        for thread in &waiting {
            self.thread(*thread).endpoint = None;
            self.thread(*thread).notification = None;
            self.thread(*thread).saved = None;
        }
        for thread in waiting.into_iter().rev() {
            self.then(&[Step::Abandon(thread)]);
        }
        self.state.counts(object).references -= 1;
    }
}
