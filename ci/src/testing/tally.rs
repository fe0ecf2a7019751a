//! What the lines of a test executable say, and what they come to.

use std::fmt;

/// How many tests ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed.
    pub passed: usize,
    /// Ignored.
    pub skipped: usize,
    /// Those that failed, by executable and name.
    pub failed: Vec<String>,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Passed,
    /// It did not hold.
    Failed,
    /// It was not run.
    Skipped,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.skipped += other.skipped;
        self.failed.extend(other.failed);
    }

    /// How many tests there were.
    pub fn all(&self) -> usize {
        self.passed + self.skipped + self.failed.len()
    }

    /// Counts a test.
    pub(super) fn count(&mut self, end: End, name: String) {
        match end {
            End::Passed => self.passed += 1,
            End::Skipped => self.skipped += 1,
            End::Failed => self.failed.push(name),
        }
    }
}

/// The closing line, as other tools read it.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed.len())?;
        if self.skipped > 0 { write!(formatter, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

/// Reads a line such as `test name ... ok`; `None` for every other line.
pub(super) fn read(line: &str) -> Option<(String, End)> {
    let (name, end) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let end = match end.split([' ', ',']).next()? {
        "ok" => End::Passed,
        "FAILED" => End::Failed,
        "ignored" => End::Skipped,
        _ => return None,
    };
    Some((name.trim_end_matches(" - should panic").to_string(), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let read = |line| read(line).map(|(name, end)| format!("{name} {end:?}"));
        assert_eq!(read("test a::b ... ok").unwrap(), "a::b Passed");
        assert_eq!(read("test a - should panic ... FAILED").unwrap(), "a Failed");
        assert_eq!(read("test a ... ignored, too slow").unwrap(), "a Skipped");
        assert_eq!(
            read("test src/lib.rs - (line 9) - compile ... ok").unwrap(),
            "src/lib.rs - (line 9) - compile Passed"
        );
        assert_eq!(read("test result: ok. 1 passed; 0 failed"), None);
        assert_eq!(read("running 2 tests"), None);
    }

    #[test]
    fn the_closing_line_is_as_it_is_read_elsewhere() {
        let mut tally = Tally { passed: 3, ..Tally::default() };
        assert_eq!(tally.to_string(), "3 passed, 0 failed");
        tally.count(End::Skipped, "a".into());
        tally.count(End::Failed, "b".into());
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 1 skipped");
        assert_eq!(tally.all(), 5);
    }
}
