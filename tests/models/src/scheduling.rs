//! Waking, the ends of traps, and what other CPUs ask for.

use crate::config::Seeded;
use crate::run::Run;
use crate::state::{Limit, Violation, Wait};
use crate::step::{End, Next, Search, Step};

impl Run<'_> {
    /// A step of this kind.
    pub(crate) fn scheduling_step(&mut self, step: Step) {
        match step {
            Step::RunInstead(thread) => {
                self.thread(thread).wait = Wait::Nothing;
                if self.config.threads[thread].cpu == self.cpu && !self.thread(thread).limit.set {
                    self.run(thread);
                    self.me().next = Next::Switched;
                } else {
                    self.wake(thread);
                    self.me().next = Next::Choose;
                }
            }
            Step::Wake(thread) => self.wake(thread),
            Step::MadeReady(thread) => self.made_ready(thread),
            Step::Unpause(thread) => self.unpause(thread),
            Step::TakePaused(thread) => {
                let program = self.program_of(thread);
                if self.state.programs[program].paused.contains(&thread) {
                    self.state.programs[program].paused.retain(|other| *other != thread);
                    self.then(&[Step::DeliverPending(thread)]);
                }
            }
            Step::Pause(thread) => {
                self.touch(thread);
                self.thread(thread).wait = Wait::Paused;
                let program = self.program_of(thread);
                if self.state.programs[program].ending {
                    self.put(End::Gone(thread));
                } else {
                    self.state.programs[program].paused.push(thread);
                }
            }
            Step::Unlock(lock) => self.unlock(lock),
            Step::Reap => self.reap(),
            Step::CancelAgain(from) => {
                if let Some(program) = (from..self.state.programs.len()).find(|it| self.state.ending.contains(it)) {
                    self.then(&[Step::CancelFrom(program, 0), Step::CancelAgain(program + 1)]);
                }
            }
            Step::PendingWork if core::mem::take(&mut self.me().reap) => self.then(&[Step::Reap]),
            Step::Conclude => self.conclude(),
            Step::Drain => self.drain(),
            Step::Ended => self.me().draining = false,
            Step::Pick => self.pick(),
            Step::ReturnAfterEnds if self.me().current.is_none() => self.pick(),
            Step::Return | Step::ReturnAfterEnds => self.go_back(),
            _ => {}
        }
    }

    /// Enters the kernel, with steps to make first.
    pub(crate) fn begin(&mut self, steps: &[Step]) {
        let me = self.me();
        (me.frame, me.next) = (me.current, Next::Stay);
        self.then(&[Step::Conclude]);
        self.then(steps);
    }

    /// The running thread enters it, by its next operation or its exit; or the CPU looks for somebody who is ready.
    pub(crate) fn enter(&mut self) {
        let Some(thread) = self.me().current else {
            self.pick();
            return;
        };
        self.touch(thread);
        let begun = self.thread(thread).begun;
        self.thread(thread).begun += 1;
        if let Some(op) = self.config.threads[thread].script.get(begun) {
            self.begin(&[]);
            // The first thing that is done is a step of its own.
            self.then(&[Step::Begin(*op)]);
            return;
        }
        self.begin(&[Step::PutGone(thread)]);
        let me = self.me();
        (me.current, me.root, me.next) = (None, None, Next::Choose);
    }

    pub(crate) fn enter_for_inbox(&mut self) {
        let threads = core::mem::take(&mut self.me().inbox);
        self.begin(&[]);
        self.then(&[Step::PendingWork]);
        for thread in threads.into_iter().rev() {
            self.then(&[Step::MadeReady(thread)]);
        }
    }

    pub(crate) fn enter_for_deadline(&mut self, thread: usize) {
        self.thread(thread).timed = false;
        self.begin(&[Step::MarkOverdue(thread)]);
    }

    pub(crate) fn limit_is_over(&mut self, thread: usize) {
        self.thread(thread).limit = Limit::default();
    }

    fn run(&mut self, thread: usize) {
        self.touch(thread);
        let program = self.program_of(thread);
        let me = self.me();
        if me.current.replace(thread).is_some() {
            self.broken(Violation::Owners);
        }
        self.me().root = Some(program);
    }

    /// A thread that waited is woken on its CPU.
    pub(crate) fn wake(&mut self, thread: usize) {
        self.touch(thread);
        let home = self.config.threads[thread].cpu;
        if home == self.cpu {
            self.made_ready(thread);
        } else {
            self.state.cpus[home].inbox.push(thread);
        }
    }

    fn made_ready(&mut self, thread: usize) {
        self.touch(thread);
        self.thread(thread).timed = false;
        if self.is_ending(thread) {
            if self.has(Seeded::EndInWake) {
                self.me().inline = true;
            }
            self.put(End::Gone(thread));
            return;
        }
        self.limit_is_over(thread);
        self.me().ready.push(thread);
        if self.me().current.is_none() {
            self.me().next = Next::Choose;
        }
    }

    /// Lets a thread go on whose breakpoint is cleared.
    fn unpause(&mut self, thread: usize) {
        let program = self.program_of(thread);
        let is_paused = self.state.programs[program].paused.contains(&thread);
        self.state.programs[program].paused.retain(|other| *other != thread);
        if is_paused {
            self.thread(thread).wait = Wait::Nothing;
            self.then(&[Step::Wake(thread)]);
        } else {
            self.then(&[Step::TakeBreakpoint(thread)]);
        }
    }

    /// Ends what this CPU holds of programs that end, and looks for the rest.
    fn reap(&mut self) {
        let ready = core::mem::take(&mut self.me().ready);
        let mut gone = Vec::new();
        for thread in ready {
            if self.is_ending(thread) {
                gone.push(thread);
            } else {
                self.me().ready.push(thread);
            }
        }
        if let Some(thread) = self.me().current.filter(|thread| self.is_ending(*thread)) {
            let me = self.me();
            (me.current, me.root) = (None, None);
            // Whoever ends something in the middle of a handler does not hear of it.
            if !me.inline {
                me.next = Next::Choose;
            }
            gone.push(thread);
        }
        for thread in gone {
            self.put(End::Gone(thread));
        }
        self.then(&[Step::CancelAgain(0)]);
        for thread in 0..self.state.threads.len() {
            let is_here = self.config.threads[thread].cpu == self.cpu && self.state.threads[thread].timed;
            if is_here && self.is_ending(thread) {
                self.thread(thread).timed = false;
                if self.thread(thread).limit.set {
                    self.thread(thread).references += 1;
                    self.then(&[Step::TakeOut(thread, Search::Cancel)]);
                }
            }
        }
    }

    fn conclude(&mut self) {
        // The handler's references go with it.
        if let Some(kept) = self.me().kept.take() {
            self.state.counts(kept).references -= 1;
        }
        if let Some(thread) = self.me().kept_thread.take() {
            self.thread(thread).references -= 1;
        }
        self.me().inline = false;
        match (self.me().next, self.me().ends.is_empty()) {
            (Next::Choose, true) => self.then(&[Step::Pick]),
            (Next::Choose, false) => self.then(&[Step::Drain, Step::Pick]),
            (_, true) => self.then(&[Step::Return]),
            (_, false) => self.then(&[Step::Drain, Step::ReturnAfterEnds]),
        }
    }

    fn drain(&mut self) {
        let me = self.me();
        if me.draining {
            self.broken(Violation::NestedEnd);
            return;
        }
        let Some(stage) = me.ends.iter().map(|end| end.stage()).min() else { return };
        let Some(first) = me.ends.iter().position(|end| end.stage() == stage) else { return };
        let end = me.ends.remove(first);
        me.draining = true;
        self.then(&[Step::Ended, Step::Drain]);
        self.run_end(end);
    }

    pub(crate) fn pick(&mut self) {
        if self.me().current.is_some() {
            return;
        }
        if self.me().ready.is_empty() {
            self.me().root = None;
            return;
        }
        let thread = self.me().ready.remove(0);
        self.run(thread);
    }

    /// Goes back through the frame that the trap came by, or that of the thread the CPU was switched to.
    fn go_back(&mut self) {
        let (frame, current, next) = (self.me().frame, self.me().current, self.me().next);
        let owner = self.cpu;
        if self.state.locks.iter().any(|(_, by)| *by == owner) {
            self.broken(Violation::LockTwice);
        }
        let through = if next == Next::Switched { current } else { frame };
        let Some(through) = through else {
            self.pick();
            return;
        };
        if self.state.threads[through].gone || current != Some(through) {
            self.broken(Violation::Return);
        }
    }
}
