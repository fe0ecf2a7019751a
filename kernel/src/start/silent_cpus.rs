//! CPUs that are made not to answer, so that bring-up without them can be tested.

use alloc::vec::Vec;

use gatehouse_core::command_line::CommandLine;
use smp::ApicId;

/// The word of the command line: `silent-cpus=2,5` drops the SIPIs to the CPUs with the indices 2 and 5.
const KEY: &str = "silent-cpus";

/// CPUs whose SIPIs are dropped; normally none.
#[derive(Debug)]
pub(super) struct SilentCpus(Vec<ApicId>);

impl SilentCpus {
    /// Those that the command line names, by their indices in `ids`.
    ///
    /// # Panics
    /// If a word is no number, or the number is that of no CPU or of the first, which runs already: names it.
    #[expect(clippy::disallowed_methods, reason = "before any program runs")]
    pub(super) fn from_command_line(line: &CommandLine, ids: &[ApicId]) -> Self {
        let words = line.value(KEY).into_iter().flat_map(|value| value.split(','));
        let silent = words.map(|word| {
            let id = word.parse::<usize>().ok().filter(|index| *index > 0).and_then(|index| ids.get(index));
            *id.unwrap_or_else(|| {
                panic!("cannot start: {KEY}={word} on the command line names no CPU from 1 to {}", ids.len() - 1)
            })
        });
        Self(silent.collect())
    }

    /// Whether the CPU is to be left without its SIPIs.
    pub(super) fn contains(&self, id: ApicId) -> bool {
        self.0.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> CommandLine {
        CommandLine::from_bytes(text.as_bytes()).expect("a command line")
    }

    #[test]
    fn cpus_are_named_by_index() {
        let ids = [7, 9, 300].map(ApicId::new);
        let silent = SilentCpus::from_command_line(&line("init=demo silent-cpus=2,1"), &ids);
        assert!(silent.contains(ids[1]) && silent.contains(ids[2]) && !silent.contains(ids[0]));
        assert!(!SilentCpus::from_command_line(&line("init=demo"), &ids).contains(ids[1]));
    }

    #[test]
    #[should_panic(expected = "silent-cpus=3 on the command line names no CPU from 1 to 2")]
    fn a_cpu_that_is_not_there_is_refused() {
        SilentCpus::from_command_line(&line("silent-cpus=3"), &[0, 1, 2].map(ApicId::new));
    }

    #[test]
    #[should_panic(expected = "silent-cpus=0")]
    fn the_first_cpu_cannot_be_silent() {
        SilentCpus::from_command_line(&line("silent-cpus=0"), &[0, 1, 2].map(ApicId::new));
    }
}
