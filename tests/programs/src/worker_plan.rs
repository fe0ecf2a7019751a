//! How many system calls the program `worker` makes, and on which CPU.

use gatehouse_runtime::entry_point::CallsMade;

/// What one `worker` does. It has two threads; each starts on one of its two CPUs and visits the other one
/// in every round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerPlan {
    /// The CPU on which the program starts; below 2^24.
    pub home: u64,
    /// The CPU on which its second thread starts; below 2^24. May be the same.
    pub neighbour: u64,
    /// Rounds of each thread; below 2^16.
    pub rounds: u64,
}

impl WorkerPlan {
    /// Calls by each entry point in one burst.
    pub const BURST: u64 = 25;
    /// Turns of the loop in which every register holds a pattern and only interrupts happen.
    pub const SPIN_TURNS: u64 = 5_000;
    /// Exceptions #NM on each of the two CPUs: the kernel gives a thread its x87 and SSE state when the thread first uses them,
    /// which each thread does right where it starts.
    pub const FIRST_USES: u64 = 1;
    /// Nanoseconds that a thread sleeps in each round.
    pub const SLEEP: u64 = 100_000;

    /// The plan as the program's argument.
    #[must_use]
    pub const fn to_argument(self) -> u64 {
        self.home | self.neighbour << 24 | self.rounds << 48
    }

    /// The plan that an argument holds.
    #[must_use]
    pub const fn from_argument(argument: u64) -> Self {
        let cpu = (1 << 24) - 1;
        Self { home: argument & cpu, neighbour: argument >> 24 & cpu, rounds: argument >> 48 }
    }

    /// Calls on the CPU on which the program starts.
    #[must_use]
    pub const fn calls_at_home(self) -> CallsMade {
        // MapMemory and SpawnThread for the second thread.
        let calls = plus(CallsMade { syscall: 2, int80: 0 }, self.calls_of_both());
        if self.home == self.neighbour { plus(calls, self.calls_of_both()) } else { calls }
    }

    /// Calls on its second CPU, when that is another one.
    #[must_use]
    pub const fn calls_at_neighbour(self) -> CallsMade {
        if self.home == self.neighbour { CallsMade { syscall: 0, int80: 0 } } else { self.calls_of_both() }
    }

    /// Calls on one of its two CPUs: of the thread that starts there and of the one that visits.
    const fn calls_of_both(self) -> CallsMade {
        // A burst asks for the CPU's number and yields besides. Each stay ends with MoveToCpu: by SYSCALL where the thread
        // started, by the other entry point on its visits. Where it started it also sleeps in each round, and ends by ExitThread.
        let burst = CallsMade { syscall: Self::BURST + 2, int80: Self::BURST };
        let starts = plus(burst, CallsMade { syscall: 2, int80: 0 });
        let visits = plus(burst, CallsMade { syscall: 0, int80: 1 });
        plus(times(plus(starts, visits), self.rounds), CallsMade { syscall: 1, int80: 0 })
    }
}

const fn plus(left: CallsMade, right: CallsMade) -> CallsMade {
    CallsMade { syscall: left.syscall + right.syscall, int80: left.int80 + right.int80 }
}

const fn times(calls: CallsMade, factor: u64) -> CallsMade {
    CallsMade { syscall: calls.syscall * factor, int80: calls.int80 * factor }
}

#[cfg(test)]
mod tests {
    use super::WorkerPlan;

    const TWO: WorkerPlan = WorkerPlan { home: 287, neighbour: 3, rounds: 8 };

    #[test]
    fn plans_survive_the_argument() {
        assert_eq!(WorkerPlan::from_argument(TWO.to_argument()), TWO);
    }

    #[test]
    fn one_cpu_sees_what_two_see_together() {
        let (home, neighbour) = (TWO.calls_at_home(), TWO.calls_at_neighbour());
        let one = WorkerPlan { neighbour: TWO.home, ..TWO };
        let both = one.calls_at_home();
        assert_eq!(both.syscall, home.syscall + neighbour.syscall);
        assert_eq!(both.int80, home.int80 + neighbour.int80);
        assert_eq!(one.calls_at_neighbour().syscall, 0);
    }
}
