//! The command line: words, some of them `key=value`.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use core::fmt;
use core::str::FromStr;

use heapless::String;

/// The words that the kernel reads, or what stands before their `=`; `docs/command-line.md` explains each. A word that is none
/// of them is for programs, or a slip of the pen.
const KERNEL_WORDS: [&str; 14] = [
    "answer",
    "apic",
    "cpus",
    "dirty-state",
    "idle",
    "init",
    "lock-graph",
    "overflow",
    "silent-cpus",
    "swap",
    "swap-corrupt",
    "swap-deadline",
    "test-hooks",
    "watchdog",
];

/// The kernel's own copy of the command line. Words are parted by white space; there is no quoting. When a key
/// occurs twice the last one counts, so that words appended to a fixed line override it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    text: String<{ Self::MAXIMUM_LENGTH }>,
}

/// Why a command line is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandLineError {
    /// It is longer than [`CommandLine::MAXIMUM_LENGTH`].
    TooLong,
    /// It is not UTF-8 from this byte on.
    NotText(usize),
}

impl fmt::Display for CommandLineError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(formatter, "the command line is longer than {} bytes", CommandLine::MAXIMUM_LENGTH),
            Self::NotText(byte) => write!(formatter, "the command line is not UTF-8 at byte {byte}"),
        }
    }
}

impl core::error::Error for CommandLineError {}

/// A word whose value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordError<'a> {
    /// The key.
    pub key: &'a str,
    /// The text after the `=`.
    pub value: &'a str,
}

impl fmt::Display for WordError<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "command line: `{}={}` has a value that cannot be read", self.key, self.value)
    }
}

impl core::error::Error for WordError<'_> {}

impl CommandLine {
    /// The most bytes that are kept.
    pub const MAXIMUM_LENGTH: usize = 2048;

    /// Copies `bytes`.
    ///
    /// # Errors
    /// [`CommandLineError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CommandLineError> {
        let text = core::str::from_utf8(bytes).map_err(|error| CommandLineError::NotText(error.valid_up_to()))?.trim();
        Ok(Self { text: String::try_from(text).map_err(|_| CommandLineError::TooLong)? })
    }

    /// The whole line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The words in order.
    pub fn words(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.text.split_whitespace()
    }

    /// The words that the kernel does not read.
    pub fn words_for_programs(&self) -> impl Iterator<Item = &str> {
        self.text.split_whitespace().filter(|word| {
            let key = word.split_once('=').map_or(*word, |(key, _)| key);
            !KERNEL_WORDS.contains(&key)
        })
    }

    /// Whether `word` stands there as it is.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.words().any(|seen| seen == word)
    }

    /// The text after `key=`; `None` when there is no such word.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.words().rev().find_map(|word| word.split_once('=').filter(|(seen, _)| *seen == key).map(|(_, text)| text))
    }

    /// The value of `key` as a `T`; `None` when there is no such word.
    ///
    /// # Errors
    /// The word, when its value is no `T`.
    pub fn parse<'a, T: FromStr>(&'a self, key: &'a str) -> Result<Option<T>, WordError<'a>> {
        self.value(key).map(|value| value.parse().map_err(|_| WordError { key, value })).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::{CommandLine, CommandLineError, WordError};

    #[test]
    fn values_words_and_numbers() {
        let line = CommandLine::from_bytes(b"  init=demo cpus=4 quiet cpus=8\tapic=xapic a=b=c empty= \n").unwrap();
        assert_eq!(line.value("init"), Some("demo"));
        assert_eq!(line.value("cpus"), Some("8"));
        assert_eq!(line.parse::<u32>("cpus"), Ok(Some(8)));
        assert_eq!(line.value("apic"), Some("xapic"));
        assert_eq!(line.value("a"), Some("b=c"));
        assert_eq!(line.value("empty"), Some(""));
        assert_eq!(line.value("ini"), None);
        assert_eq!(line.value("quiet"), None);
        assert!(line.has("quiet") && !line.has("qui"));
        assert_eq!(line.parse::<u32>("apic"), Err(WordError { key: "apic", value: "xapic" }));
        assert_eq!(line.words().count(), 7);
    }

    #[test]
    fn what_the_kernel_does_not_read_is_left_to_programs() {
        let line = CommandLine::from_bytes(b"init=pager faults=7 swp=disk test-hooks swap=ram cpus").unwrap();
        assert!(line.words_for_programs().eq(["faults=7", "swp=disk"]));
        assert_eq!(CommandLine::default().words_for_programs().count(), 0);
    }

    #[test]
    fn bad_lines_are_refused() {
        assert_eq!(CommandLine::from_bytes(b"ab\xff"), Err(CommandLineError::NotText(2)));
        let longest = [b'x'; CommandLine::MAXIMUM_LENGTH];
        assert!(CommandLine::from_bytes(&longest).is_ok());
        assert_eq!(CommandLine::from_bytes(&[b'x'; CommandLine::MAXIMUM_LENGTH + 1]), Err(CommandLineError::TooLong));
    }

    #[test]
    fn what_is_refused_is_named_with_its_numbers() {
        let text = |error: CommandLineError| error.to_string();
        assert_eq!(text(CommandLineError::TooLong), "the command line is longer than 2048 bytes");
        assert_eq!(text(CommandLineError::NotText(7)), "the command line is not UTF-8 at byte 7");
        let word = WordError { key: "cpus", value: "many" };
        assert_eq!(word.to_string(), "command line: `cpus=many` has a value that cannot be read");
        let line = CommandLine::from_bytes(b" a b \n").unwrap();
        assert_eq!((line.as_str(), line.words().collect::<Vec<_>>()), ("a b", vec!["a", "b"]));
    }
}
