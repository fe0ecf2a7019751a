//! What a boot left behind.

use std::fmt;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::record::Record;
use crate::result::Document;

/// What a line of the kernel begins with on the serial console (docs/console.md).
const KERNEL_MARK: &str = "# ";

/// What a boot left behind. Its `Display` is for the message of a failed assertion.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// How it ended.
    pub outcome: Outcome,
    /// The lines of the serial console, those of the kernel without the mark that they begin with.
    pub console: Vec<String>,
    /// Those of them that the kernel wrote: no program can.
    pub kernel: Vec<String>,
    /// The records, in order.
    pub records: Vec<Record>,
    /// Lines of the debug console that are no records, each with the reason.
    pub malformed: Vec<String>,
    /// What QEMU itself printed on its standard error.
    pub emulator_words: String,
    /// Wall time from QEMU's start to its end.
    pub duration: Duration,
}

impl Transcript {
    /// Whether a console line contains `text`.
    pub fn console_contains(&self, text: &str) -> bool {
        self.console.iter().any(|line| line.contains(text))
    }

    /// Takes a line of the serial console.
    pub(crate) fn take_line(&mut self, line: &str) {
        let text = match line.strip_prefix(KERNEL_MARK) {
            Some(text) => {
                self.kernel.push(text.to_string());
                text
            }
            None => line,
        };
        self.console.push(text.to_string());
    }

    /// What the kernel said first when it stopped itself: the CPU and the panic's words, or the trap.
    pub fn reason(&self) -> Option<String> {
        let mut lines = self.kernel.iter();
        let first =
            lines.find_map(|line| ["kernel panic: ", "lockdown: "].iter().find_map(|it| line.strip_prefix(it)))?;
        // A panic has its words on a line of their own.
        let words = lines.next().filter(|_| first.ends_with(':')).map_or("", String::as_str);
        Some(format!("{first} {words}").trim_end().to_string())
    }

    /// How far it came: its last record of progress, else its last line.
    pub fn how_far(&self) -> String {
        let progress = self.records.iter().rev().find_map(|record| match record {
            Record::Progress(progress) if progress.total > 0 => {
                Some(format!("{}: {} of {}", progress.text, progress.done, progress.total))
            }
            Record::Progress(progress) => Some(format!("{}: {}", progress.text, progress.done)),
            _ => None,
        });
        let line = || self.console.iter().rev().find(|line| !line.is_empty());
        match progress.or_else(|| line().cloned()) {
            Some(last) => format!("it came to \"{last}\""),
            None => "it said nothing".into(),
        }
    }

    /// What became of a program that was added, as the demonstration tells it: its last line about it.
    pub fn end_of(&self, program: &str) -> Option<&str> {
        let lines = self.console.iter().rev();
        lines.filter_map(|line| line.strip_prefix(program)?.strip_prefix(": ")).next()
    }

    /// The last result record, checked; `None` when the guest wrote none.
    ///
    /// # Errors
    /// Names the key that does not fit.
    pub fn result(&self) -> Result<Option<Document>, String> {
        let last = self.records.iter().rev().find_map(|record| match record {
            Record::Result(value) => Some(value),
            _ => None,
        });
        last.map(Document::from_value).transpose()
    }

    /// The values of all records with this key that are neither progress nor result.
    pub fn others<'own>(&'own self, key: &'own str) -> impl Iterator<Item = &'own serde_json::Value> {
        self.records.iter().filter_map(move |record| match record {
            Record::Other(name, value) if name == key => Some(value),
            _ => None,
        })
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} after {:.1} s; the console said:", self.outcome, self.duration.as_secs_f64())?;
        for line in &self.console {
            writeln!(formatter, "    {line}")?;
        }
        for line in &self.malformed {
            writeln!(formatter, "not a record: {line}")?;
        }
        if !self.emulator_words.is_empty() {
            writeln!(formatter, "QEMU said: {}", self.emulator_words.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_console(lines: &[&str]) -> Transcript {
        let mut transcript = Transcript {
            outcome: Outcome::Panic,
            console: Vec::new(),
            kernel: Vec::new(),
            records: Vec::new(),
            malformed: Vec::new(),
            emulator_words: String::new(),
            duration: Duration::ZERO,
        };
        lines.iter().for_each(|line| transcript.take_line(line));
        transcript
    }

    #[test]
    fn the_first_cpu_that_stopped_gives_the_reason() {
        let panicked = [
            "# booting",
            "lockdown: CPU 7: so says a program",
            "\\# lockdown: CPU 8: and another one",
            "",
            "# kernel panic: CPU 1: panicked at a.rs:1:",
            "# no memory",
            "#   no thread",
            "# kernel panic: CPU 0: x",
        ];
        assert_eq!(of_console(&panicked).reason().unwrap(), "CPU 1: panicked at a.rs:1: no memory");
        let trapped = ["# lockdown: CPU 0 (APIC id 0): PageFault in the kernel: load", "#   address 0x0"];
        assert_eq!(of_console(&trapped).reason().unwrap(), "CPU 0 (APIC id 0): PageFault in the kernel: load");
        assert_eq!(of_console(&["all is well"]).reason(), None);
    }

    #[test]
    fn the_last_sign_and_the_ends_of_programs_are_told() {
        let mut transcript = of_console(&["user/a: exited with status 0", "user/ab: refused", "user/a: killed", ""]);
        assert_eq!(transcript.end_of("user/a"), Some("killed"));
        assert_eq!(transcript.end_of("user/b"), None);
        assert_eq!(transcript.how_far(), "it came to \"user/a: killed\"");
        let progress =
            |text: &str, done, total| Record::Progress(crate::record::Progress { text: text.into(), done, total });
        transcript.records = vec![progress("faults", 3, 9), Record::Other("x".into(), 1.into())];
        assert_eq!(transcript.how_far(), "it came to \"faults: 3 of 9\"");
        assert_eq!(of_console(&[]).how_far(), "it said nothing");
    }
}
