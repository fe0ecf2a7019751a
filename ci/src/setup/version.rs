//! Version numbers.

use std::fmt;

/// The first two numbers of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first.
    pub major: u32,
    /// The second.
    pub minor: u32,
}

impl Version {
    /// A version.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// The first word of `text` that starts with two numbers: `QEMU emulator version 10.0.2 (Debian …)` is 10.0,
    /// Debian's `1:7.2+dfsg-7` is 7.2 (the epoch before the colon is not part of it).
    pub fn find(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let word = word.rsplit(':').next()?;
            let mut numbers = word.split(|character: char| !character.is_ascii_digit());
            Some(Self::new(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        let find = |text| Version::find(text);
        assert_eq!(find("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)"), Some(Version::new(10, 0)));
        assert_eq!(find("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a tarball)"), Some(Version::new(1, 96)));
        assert_eq!(find("1:7.2+dfsg-7+deb12u18+b3"), Some(Version::new(7, 2)));
        assert_eq!(find("no number"), None);
        assert!(Version::new(10, 0) > Version::new(9, 2));
    }
}
