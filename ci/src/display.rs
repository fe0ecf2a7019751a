//! What the person sees while the machine runs: console lines as they come, progress as a bar below them.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::record::{Progress, Record};
use crate::session::Observer;

/// Without a terminal, progress is a plain line at most this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(1);

/// Shows a running machine. Console lines go to standard output, everything else to standard error.
#[derive(Debug)]
pub struct Live {
    bar: Option<(String, ProgressBar)>,
    terminal: bool,
    last_plain: Option<Instant>,
    gone: bool,
}

impl Default for Live {
    fn default() -> Self {
        Self { bar: None, terminal: io::stderr().is_terminal(), last_plain: None, gone: false }
    }
}

impl Live {
    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Writes while no bar is in the way.
    fn write(&mut self, write: impl FnOnce() -> io::Result<()>) {
        let result = match &self.bar {
            Some((_, bar)) => bar.suspend(write),
            None => write(),
        };
        // The reader went away, as in `| head`.
        self.gone |= result.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    }

    fn progress(&mut self, progress: &Progress) {
        let text = printable(&progress.text);
        if !self.terminal {
            if self.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL) {
                self.last_plain = Some(Instant::now());
                eprintln!("{text}: {}", amount(progress));
            }
            return;
        }
        match &mut self.bar {
            // The same work with other words about it.
            Some((current, bar)) if *current != text && bar.length() == Some(progress.total) => {
                bar.set_message(text.clone());
                current.clone_from(&text);
            }
            Some((current, _)) if *current != text => self.finish(),
            _ => {}
        }
        let (_, bar) = self.bar.get_or_insert_with(|| {
            let bar = new_bar(progress.total);
            bar.set_message(text.clone());
            (text, bar)
        });
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    }
}

impl Observer for Live {
    fn console_line(&mut self, line: &str) {
        self.write(|| {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{line}")?;
            stdout.flush()
        });
    }

    fn emulator_line(&mut self, line: &str) {
        self.write(|| writeln!(io::stderr(), "qemu: {line}"));
    }

    fn is_gone(&self) -> bool {
        self.gone
    }

    fn record(&mut self, record: &Record) {
        if let Record::Progress(progress) = record {
            self.progress(progress);
        }
    }
}

fn new_bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template =
        if total == 0 { "{spinner} {msg} {pos} {elapsed}" } else { "{msg} [{bar:30}] {pos}/{len} {elapsed}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn amount(progress: &Progress) -> String {
    match progress.total {
        0 => progress.done.to_string(),
        total => format!("{}/{total}", progress.done),
    }
}

/// The text without control characters, which could move the terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_with_and_without_a_total() {
        let progress = |done, total| Progress { text: String::new(), done, total };
        assert_eq!(amount(&progress(3, 9)), "3/9");
        assert_eq!(amount(&progress(3, 0)), "3");
    }

    #[test]
    fn control_characters_are_dropped() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a[2Jb");
    }
}
