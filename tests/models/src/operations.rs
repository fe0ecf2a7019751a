//! What the running thread asks for: the beginning of each operation.

use crate::config::{Op, Sending};
use crate::run::Run;
use crate::state::Object;
use crate::step::Step;

impl Run<'_> {
    /// The running thread's next operation.
    pub(crate) fn begin_op(&mut self, op: Op) {
        let Some(thread) = self.me().current else { return };
        let endpoint = |object| if let Some(Object::Endpoint(endpoint)) = object { Some(endpoint) } else { None };
        let reply = |object| if let Some(Object::Reply(reply)) = object { Some(reply) } else { None };
        match op {
            Op::Call(slot) => {
                let Some(endpoint) = endpoint(self.find(slot)) else { return };
                self.then(&[Step::Send(endpoint, Sending::Call)]);
            }
            Op::Fault(sending) => self.begin_fault(thread, sending),
            Op::Receive(slot) => {
                let Some(endpoint) = endpoint(self.find(slot)) else { return };
                self.then(&[Step::Forget, Step::Receive(endpoint)]);
            }
            Op::Reply | Op::ReplyKill => self.take_client_and(op == Op::ReplyKill),
            Op::Save(slot, number) => {
                let Some(counts) = Some(&mut self.state.replies[number].counts).filter(|counts| counts.is_freed())
                else {
                    return;
                };
                counts.capabilities = 2;
                self.state.slots[slot] = Some(Object::Reply(number));
                let drops = Step::DropCapability(Object::Reply(number));
                self.then(&[Step::SaveRight(number), Step::EmptySlot(slot, number), drops]);
            }
            Op::ReplyTo(slot) => {
                let Some(number) = reply(self.find(slot)) else { return };
                self.then(&[Step::TakeSaved(number), Step::EmptySlot(slot, number)]);
            }
            Op::ReadRegisters(slot) => {
                let Some(number) = reply(self.find(slot)) else { return };
                // This reference goes at once, and not when the handler is over.
                self.me().kept = None;
                let drops = Step::DropReference(Object::Reply(number));
                self.then(&[Step::Inspect(number), drops, Step::WriteFrame]);
            }
            Op::ReadOwed => {
                if let Some((client, _)) = self.thread(thread).client {
                    self.touch(client);
                }
            }
            Op::Delete(slot) => self.delete(slot),
            Op::ClearBreakpoint(target) => {
                if self.keep_thread(target) {
                    self.then(&[Step::Unpause(target)]);
                }
            }
            Op::Signal(slot) => {
                let Some(Object::Notification(notification)) = self.find(slot) else { return };
                self.then(&[Step::Signal(notification)]);
            }
            Op::Wait(slot) | Op::WaitLimited(slot) => {
                let Some(Object::Notification(notification)) = self.find(slot) else { return };
                self.then(&[Step::WaitFor(notification, matches!(op, Op::WaitLimited(_)))]);
            }
            Op::SetHandler(target, slot) => {
                if self.keep_thread(target) {
                    self.then(&[Step::LockHandler(target, slot)]);
                }
            }
            Op::Kill(program) => {
                if self.state.programs[program].threads > 0 {
                    self.then(&[Step::DecideEnd(program)]);
                }
            }
        }
    }

    /// What is in a slot; the handler keeps a reference.
    fn find(&mut self, slot: usize) -> Option<Object> {
        let object = self.state.slots[slot]?;
        self.state.counts(object).references += 1;
        self.me().kept = Some(object);
        Some(object)
    }

    fn keep_thread(&mut self, thread: usize) -> bool {
        let target = self.thread(thread);
        if target.gone {
            return false;
        }
        target.references += 1;
        self.me().kept_thread = Some(thread);
        true
    }
}
