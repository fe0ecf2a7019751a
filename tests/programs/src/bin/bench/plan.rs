//! What is asked of this run.

/// Rounds before the first that counts: caches of the kernel fill, lazy things happen.
pub(crate) const WARM_UP: usize = 8;
/// Samples of an operation.
pub(crate) const SAMPLES: usize = 101;
/// Rounds between marks.
pub(crate) const TRACED: usize = 3;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Operations are sampled.
    Count,
    /// Operations are marked for the host.
    Trace,
    /// Times with several CPUs at once.
    Throughput,
    /// Times and memory that depend on the number of CPUs.
    Scale,
}

/// What is asked of this run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'line> {
    /// What is done.
    pub(crate) engine: Engine,
    /// Whether rounds are marked for the host instead of being sampled.
    pub(crate) trace: bool,
    /// Keys with commas between; `None` means all.
    only: Option<&'line str>,
}

impl<'line> Plan<'line> {
    /// Reads the kernel's command line.
    pub(crate) fn from_command_line(line: &'line str) -> Self {
        let word = |key: &str| line.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)).next_back();
        let engine = match word("bench=") {
            Some("trace") => Engine::Trace,
            Some("throughput") => Engine::Throughput,
            Some("scale") => Engine::Scale,
            _ => Engine::Count,
        };
        Self { engine, trace: engine == Engine::Trace, only: word("only=").filter(|keys| !keys.is_empty()) }
    }

    /// Whether any of the keys is selected.
    pub(crate) fn selects(&self, keys: &[&str]) -> bool {
        self.only.is_none_or(|only| only.split(',').any(|key| keys.contains(&key)))
    }

    /// Rounds after the warm-up.
    pub(crate) fn rounds(&self) -> usize {
        if self.trace { TRACED } else { SAMPLES }
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;

    #[test]
    fn words_are_read() {
        let plan = Plan::from_command_line("init=bench");
        assert!(!plan.trace && plan.selects(&["a"]));
        let plan = Plan::from_command_line("init=bench bench=trace only=a,b");
        assert!(plan.trace && plan.selects(&["x", "b"]) && !plan.selects(&["ab"]));
        assert!(Plan::from_command_line("only=").selects(&["a"]));
    }
}
