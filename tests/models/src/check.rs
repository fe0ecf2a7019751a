//! What holds in every state, and when nothing happens any more.

use crate::run::{Action, Machine};
use crate::state::{State, Violation, Wait};
use crate::step::{End, Step};

/// The thread that a step has in its hands.
const fn in_hands(step: Step) -> Option<usize> {
    match step {
        Step::Owe(_, thread)
        | Step::RunInstead(thread)
        | Step::Wake(thread)
        | Step::MadeReady(thread)
        | Step::Abandon(thread)
        | Step::Pause(thread)
        | Step::Answer(thread, _)
        | Step::PutBack(_, thread)
        | Step::PutGone(thread)
        | Step::DeliverPending(thread)
        | Step::SendPending(thread, _)
        | Step::RemoveThread(thread) => Some(thread),
        _ => None,
    }
}

/// The thread that waits for its end.
const fn of_end(end: &End) -> Option<usize> {
    match end {
        End::Gone(thread) | End::Unhandled(thread) => Some(*thread),
        _ => None,
    }
}

impl Machine {
    /// What is wrong with a state.
    #[must_use]
    pub fn violations(&self, state: &State) -> Vec<Violation> {
        let mut violations = Vec::new();
        if self.has_failed(state) {
            return violations;
        }
        let mut owners = vec![0_u8; state.threads.len()];
        let mut owned = |thread: usize| owners[thread] += 1;
        for cpu in &state.cpus {
            cpu.current.into_iter().for_each(&mut owned);
            cpu.ready.iter().chain(&cpu.inbox).copied().for_each(&mut owned);
            cpu.todo.iter().filter_map(|step| in_hands(*step)).for_each(&mut owned);
            cpu.ends.iter().filter_map(of_end).for_each(&mut owned);
        }
        state.programs.iter().flat_map(|program| &program.paused).copied().for_each(&mut owned);
        state.endpoints.iter().flat_map(|it| it.senders.iter().chain(&it.receivers)).copied().for_each(&mut owned);
        state.notifications.iter().flat_map(|it| &it.waiters).copied().for_each(&mut owned);
        state.replies.iter().filter_map(|reply| reply.client).for_each(&mut owned);
        state.threads.iter().filter_map(|thread| thread.client).for_each(|(client, _)| owned(client));
        if owners.iter().zip(&state.threads).any(|(owners, thread)| *owners != u8::from(!thread.gone)) {
            violations.push(Violation::Owners);
        }
        let mut actions: Vec<Action> = Vec::new();
        self.actions(state, &mut actions);
        if actions.is_empty() && violations.is_empty() && !Self::is_quiet(state) {
            violations.push(Violation::Lost);
        }
        violations
    }

    /// Whether a state in which nothing can happen has nothing left undone.
    fn is_quiet(state: &State) -> bool {
        let cpus = state.cpus.iter().all(|cpu| cpu.todo.is_empty() && cpu.ends.is_empty()) && state.locks.is_empty();
        // Whose threads are gone has been reported, and nobody else: and whoever is to end has ended.
        let programs = state.programs.iter().all(|program| match (program.ending, program.threads) {
            (_, 0) => program.reported && program.paused.is_empty(),
            (ending, _) => !ending && !program.reported,
        });
        let threads = state.threads.iter().all(|thread| match (thread.gone, thread.wait) {
            (true, _) => thread.references == 0,
            // A fault waits for nobody whom it would not be sent to.
            (false, Wait::ToSend(sending)) if sending.is_fault() && thread.bound.is_none() => false,
            (false, Wait::ToSend(_) | Wait::ToReceive) => {
                thread.endpoint.is_some_and(|endpoint| !state.endpoints[endpoint].closed)
            }
            (false, Wait::ForNotification) => {
                thread.notification.is_some_and(|notification| !state.notifications[notification].closed)
            }
            (false, Wait::ForReply(_)) => match (thread.saved, thread.server) {
                (Some(reply), _) => state.replies[reply].counts.capabilities > 0,
                (None, Some(server)) => !state.threads[server].gone,
                (None, None) => false,
            },
            (false, Wait::Paused) => true,
            (false, Wait::Nothing) => false,
        });
        let limits = state.threads.iter().all(|thread| !thread.timed);
        cpus && programs && threads && limits
    }
}
