//! The machine's steps: which there are, and how one is made.

use crate::config::{Config, Op, Seeded};
use crate::state::{
    Counts, Cpu, Endpoint, Interrupt, Limit, Notification, Object, Program, Reply, State, Thread, Violation, Wait,
};
use crate::step::{Lock, Next, Step};

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A CPU makes its next step in the kernel, or the thread that runs there enters it.
    Step(usize),
    /// The interrupt comes.
    Interrupt,
    /// A CPU hears that it was asked for something.
    Inbox(usize),
    /// The deadline comes of a thread in a CPU's timer list.
    Deadline(usize),
}

/// A machine that can be in many states.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What it is made of.
    pub config: Config,
}

/// A state that is being changed into the next one.
pub(crate) struct Run<'a> {
    pub(crate) config: &'a Config,
    pub(crate) state: &'a mut State,
    /// Which CPU does something.
    pub(crate) cpu: usize,
}

impl Machine {
    /// The state in which the search begins: after the prologue.
    ///
    /// # Panics
    /// If the prologue cannot be run.
    #[must_use]
    pub fn start(&self) -> State {
        let mut state = self.before_all();
        for cpu in 0..self.config.cpus {
            Run { config: &self.config, state: &mut state, cpu }.pick();
        }
        for cpu in &self.config.prologue {
            let action = Action::Step(*cpu);
            let woken = Action::Inbox(*cpu);
            let first = if self.is_enabled(&state, woken) { woken } else { action };
            assert!(self.is_enabled(&state, first), "the prologue runs on CPU {cpu}: {state:#?}");
            state = self.after(&state, first);
            while !state.cpus[*cpu].todo.is_empty() {
                state = self.after(&state, action);
            }
        }
        state
    }

    fn before_all(&self) -> State {
        let config = &self.config;
        let cpu = Cpu {
            current: None,
            frame: None,
            root: None,
            ready: Vec::new(),
            inbox: Vec::new(),
            reap: false,
            todo: Vec::new(),
            next: Next::Stay,
            ends: Vec::new(),
            draining: false,
            kept: None,
            kept_thread: None,
            inline: false,
        };
        let mut state = State {
            cpus: vec![cpu; config.cpus],
            threads: Vec::new(),
            programs: Vec::new(),
            endpoints: vec![Endpoint::default(); 3],
            notifications: vec![Notification::default(); 2],
            replies: vec![Reply::default(); 2],
            interrupt: Interrupt::default(),
            slots: config.slots.iter().map(|slot| slot.object).collect(),
            ending: Vec::new(),
            locks: Vec::new(),
            broken: 0,
        };
        for object in config.slots.iter().filter_map(|slot| slot.object) {
            state.counts(object).capabilities += 1;
        }
        if let Some((notification, left, _)) = config.interrupt {
            state.interrupt.bound = Some(notification);
            state.interrupt.left = left;
            state.notifications[notification].counts.capabilities += 1;
        }
        for (number, thread) in config.threads.iter().enumerate() {
            let handler = thread.handler.and_then(|slot| match config.slots[slot].object {
                Some(Object::Endpoint(endpoint)) => Some(endpoint),
                _ => None,
            });
            if let Some(endpoint) = handler {
                state.endpoints[endpoint].counts.capabilities += 1;
                state.endpoints[endpoint].counts.references += 1;
            }
            state.threads.push(Thread {
                gone: false,
                references: 0,
                begun: 0,
                wait: Wait::Nothing,
                waits: 0,
                endpoint: None,
                notification: None,
                saved: None,
                server: None,
                client: None,
                serves: None,
                limit: Limit::default(),
                timed: false,
                handler,
                bound: thread.handler,
            });
            if state.programs.len() <= thread.program {
                state.programs.resize(thread.program + 1, Program::default());
            }
            state.programs[thread.program].threads += 1;
            state.cpus[thread.cpu].ready.push(number);
        }
        state
    }

    /// What can happen in a state.
    pub fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.has_failed(state) {
            return;
        }
        let cpus = 0..self.config.cpus;
        let all = cpus.clone().map(Action::Step).chain(cpus.map(Action::Inbox));
        let all = all.chain((0..state.threads.len()).map(Action::Deadline)).chain([Action::Interrupt]);
        actions.extend(all.filter(|action| self.is_enabled(state, *action)));
    }

    /// Whether the machine has gone wrong in such a way that what it does next means nothing.
    pub(crate) fn has_failed(&self, state: &State) -> bool {
        let mut bearable = 1 << Violation::NestedEnd as u16;
        if self.config.has(Seeded::PutBack) {
            // Whoever was overwritten is in no place: what is seen of it is a reply that goes elsewhere.
            bearable |= 1 << Violation::Owners as u16;
        }
        state.broken & !bearable != 0
    }

    fn is_enabled(&self, state: &State, action: Action) -> bool {
        let open = |cpu: usize| state.cpus[cpu].todo.is_empty();
        match action {
            Action::Step(cpu) => match state.cpus[cpu].todo.last() {
                Some(step) => self.may_step(state, cpu, *step),
                None => state.cpus[cpu].current.is_some() || !state.cpus[cpu].ready.is_empty(),
            },
            Action::Inbox(cpu) => open(cpu) && (!state.cpus[cpu].inbox.is_empty() || state.cpus[cpu].reap),
            Action::Deadline(thread) => state.threads[thread].timed && open(self.config.threads[thread].cpu),
            Action::Interrupt => state.interrupt.left > 0 && self.config.interrupt.is_some_and(|(.., cpu)| open(cpu)),
        }
    }

    /// Whether nobody else has a lock that the step takes, and what it waits for has come.
    fn may_step(&self, state: &State, cpu: usize, step: Step) -> bool {
        if let Step::Report(program) = step {
            let others = state.cpus.iter().enumerate().filter(|(other, _)| *other != cpu);
            return others.into_iter().all(|(_, other)| other.root != Some(program));
        }
        let wanted = self.lock_of(state, step);
        !state.locks.iter().any(|(lock, owner)| Some(*lock) == wanted && *owner != cpu)
    }

    /// The lock that a step takes, of those that are ever held for longer than a step.
    fn lock_of(&self, state: &State, step: Step) -> Option<Lock> {
        let life = |thread: usize| Some(Lock::Life(self.config.threads[thread].program));
        match step {
            Step::TakeOut(..)
            | Step::SaveRight(_)
            | Step::TakeSaved(_)
            | Step::Inspect(_)
            | Step::TakeBreakpoint(_)
            | Step::ReleaseClient(_)
            | Step::Begin(Op::ReadOwed)
            | Step::Close(Object::Endpoint(_) | Object::Notification(_) | Object::Reply(_)) => Some(Lock::Waits),
            // The limit of a wait becomes void under the lock that a deadline looks for it with.
            Step::Abandon(thread) if state.threads[thread].limit.set && !self.config.has(Seeded::LimitAskedEarly) => {
                Some(Lock::Waits)
            }
            Step::Interrupted | Step::Close(Object::Interrupt) => Some(Lock::Driver),
            Step::DecideEnd(program) | Step::EndPaused(program) | Step::AskToReap(program) => Some(Lock::Life(program)),
            Step::NoteEnding(program) => Some(Lock::Life(program)),
            Step::Pause(thread) | Step::Unpause(thread) | Step::TakePaused(thread) | Step::RemoveThread(thread) => {
                life(thread)
            }
            Step::LockHandler(thread, _) => life(thread),
            Step::ReleaseHandler(thread) | Step::Unbind(thread, _) | Step::DeliverPending(thread) => {
                Some(Lock::Handler(thread))
            }
            _ => None,
        }
    }

    /// The state after an action that can happen.
    #[must_use]
    pub fn after(&self, before: &State, action: Action) -> State {
        let mut state = before.clone();
        let cpu = match action {
            Action::Step(cpu) | Action::Inbox(cpu) => cpu,
            Action::Deadline(thread) => self.config.threads[thread].cpu,
            Action::Interrupt => self.config.interrupt.map_or(0, |(.., cpu)| cpu),
        };
        let mut run = Run { config: &self.config, state: &mut state, cpu };
        match action {
            Action::Step(_) if run.me().todo.is_empty() => run.enter(),
            Action::Step(_) => self.step(&mut run),
            Action::Inbox(_) => run.enter_for_inbox(),
            Action::Deadline(thread) => run.enter_for_deadline(thread),
            Action::Interrupt => {
                run.state.interrupt.left -= 1;
                run.begin(&[Step::Interrupted]);
            }
        }
        // Its beginning is private, but for one.
        if let Some(step @ Step::Begin(_)) = run.me().todo.last().copied()
            && self.may_step(run.state, cpu, step)
        {
            self.step(&mut run);
        }
        while run.next_is_private() && !self.has_failed(run.state) {
            self.step(&mut run);
        }
        for violation in self.violations(&state) {
            state.broken |= 1 << violation as u16;
        }
        state
    }

    fn step(&self, run: &mut Run<'_>) {
        let Some(step) = run.me().todo.pop() else { return };
        let wanted = self.lock_of(run.state, step);
        if run.state.locks.iter().any(|(lock, owner)| Some(*lock) == wanted && *owner == run.cpu) {
            run.broken(Violation::LockTwice);
            return;
        }
        run.step(step);
    }
}

impl State {
    pub(crate) fn counts(&mut self, object: Object) -> &mut Counts {
        match object {
            Object::Endpoint(endpoint) => &mut self.endpoints[endpoint].counts,
            Object::Notification(notification) => &mut self.notifications[notification].counts,
            Object::Reply(reply) => &mut self.replies[reply].counts,
            Object::Interrupt => &mut self.interrupt.counts,
        }
    }
}

impl Run<'_> {
    pub(crate) fn me(&mut self) -> &mut Cpu {
        &mut self.state.cpus[self.cpu]
    }

    pub(crate) fn thread(&mut self, thread: usize) -> &mut Thread {
        &mut self.state.threads[thread]
    }

    pub(crate) fn program_of(&self, thread: usize) -> usize {
        self.config.threads[thread].program
    }

    pub(crate) fn is_ending(&self, thread: usize) -> bool {
        self.state.programs[self.program_of(thread)].ending
    }

    pub(crate) fn has(&self, seeded: Seeded) -> bool {
        self.config.has(seeded)
    }

    pub(crate) fn broken(&mut self, violation: Violation) {
        self.state.broken |= 1 << violation as u16;
    }

    /// The thread's memory is touched: it must be there.
    pub(crate) fn touch(&mut self, thread: usize) {
        if self.state.threads[thread].gone && self.state.threads[thread].references == 0 {
            self.broken(Violation::UseAfterFree);
        }
    }

    /// The same for an object.
    pub(crate) fn touch_object(&mut self, object: Object) {
        if self.state.counts(object).is_freed() {
            self.broken(Violation::UseAfterFree);
        }
    }

    /// The steps come next, in this order.
    pub(crate) fn then(&mut self, steps: &[Step]) {
        self.me().todo.extend(steps.iter().rev());
    }

    pub(crate) fn lock(&mut self, lock: Lock) {
        if self.state.locks.iter().any(|(held, _)| *held == lock) {
            self.broken(Violation::LockTwice);
        }
        let owner = self.cpu;
        self.state.locks.push((lock, owner));
    }

    pub(crate) fn unlock(&mut self, lock: Lock) {
        self.state.locks.retain(|(held, _)| *held != lock);
    }

    /// Whether the next step concerns this CPU alone, or nothing: it needs no place of its own among those of others.
    fn next_is_private(&mut self) -> bool {
        match self.me().todo.last() {
            Some(
                Step::Conclude
                | Step::Drain
                | Step::Ended
                | Step::Pick
                | Step::Return
                | Step::ReturnAfterEnds
                | Step::WriteFrame
                | Step::PutGone(_)
                | Step::PutReport(_)
                // The walk over a program's threads looks at each by a step of its own.
                | Step::CancelFrom(..),
            ) => true,
            // Nobody is paused any more once the end is decided.
            Some(Step::EndPaused(program)) => {
                let program = *program;
                self.state.programs[program].paused.is_empty()
            }
            Some(Step::ReleaseHandler(thread)) => {
                let thread = *thread;
                self.state.threads[thread].handler.is_none()
            }
            Some(Step::PendingWork) => !self.state.cpus[self.cpu].reap,
            Some(Step::CancelAgain(_)) => self.state.ending.is_empty(),
            _ => false,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Begin(op) => self.begin_op(op),
            Step::Send(..)
            | Step::NoHandler(_)
            | Step::SetLink(..)
            | Step::Owe(..)
            | Step::Forget
            | Step::Receive(_)
            | Step::HonourMarks(_)
            | Step::ClearLink(_)
            | Step::Answer(..)
            | Step::SaveRight(_)
            | Step::TakeSaved(_)
            | Step::EmptySlot(..)
            | Step::Inspect(_)
            | Step::DropReference(_)
            | Step::WriteFrame
            | Step::TakeBreakpoint(_)
            | Step::TakeBreakpointRight(..)
            | Step::PutBack(..)
            | Step::Signal(_)
            | Step::WaitFor(..)
            | Step::Interrupted
            | Step::LockHandler(..)
            | Step::Bind(..)
            | Step::DeliverPending(_)
            | Step::SendPending(..) => self.message_step(step),
            Step::RunInstead(_)
            | Step::Wake(_)
            | Step::MadeReady(_)
            | Step::Unpause(_)
            | Step::TakePaused(_)
            | Step::Pause(_)
            | Step::Unlock(_)
            | Step::Reap
            | Step::CancelAgain(_)
            | Step::PendingWork
            | Step::Conclude
            | Step::Drain
            | Step::Ended
            | Step::Pick
            | Step::ReturnAfterEnds
            | Step::Return => self.scheduling_step(step),
            _ => self.end_step(step),
        }
    }
}
