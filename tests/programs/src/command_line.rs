//! Numbers on the kernel's command line.

use core::fmt;

use crate::check::wrong;

/// A word whose number cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadableNumber<'line> {
    /// What stands before the number.
    pub key: &'line str,
    /// What stands in its place.
    pub text: &'line str,
}

impl fmt::Display for UnreadableNumber<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, text } = self;
        write!(out, "{key}{text} on the command line is no number from 0 to 2^64-1, decimal or hexadecimal behind 0x")
    }
}

impl core::error::Error for UnreadableNumber<'_> {}

/// The number behind `key` (which ends with `=`) in the last word of the line that begins with it; `None` if there is no such
/// word. Ends the program, with a line that names the word, if its number cannot be read.
#[must_use]
pub fn number_in(line: &str, key: &str) -> Option<u64> {
    read_number(line, key).unwrap_or_else(|unreadable| wrong(file!(), format_args!("{unreadable}")))
}

/// The same.
///
/// # Errors
/// [`UnreadableNumber`].
pub fn read_number<'line>(line: &'line str, key: &'line str) -> Result<Option<u64>, UnreadableNumber<'line>> {
    let Some(text) = line.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)).next_back() else {
        return Ok(None);
    };
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map(Some).map_err(|_| UnreadableNumber { key, text })
}

#[cfg(test)]
mod tests {
    use super::{UnreadableNumber, read_number};

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(read_number("init=x seed=12", "seed="), Ok(Some(12)));
        assert_eq!(read_number("seed=1 seed=0xffffffffffffffff", "seed="), Ok(Some(u64::MAX)));
        for line in ["", "seeds=1", "xseed=1"] {
            assert_eq!(read_number(line, "seed="), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_is_no_number_is_named() {
        for text in ["", "abc", "1x", "-1", "0x", "0x1g", "18446744073709551616"] {
            let line = format!("seed=1 init=x seed={text} calls=2");
            assert_eq!(read_number(&line, "seed="), Err(UnreadableNumber { key: "seed=", text }), "{line}");
        }
        let error = read_number("faults=abc", "faults=").unwrap_err();
        assert!(error.to_string().starts_with("faults=abc on the command line is no number"), "{error}");
    }
}
