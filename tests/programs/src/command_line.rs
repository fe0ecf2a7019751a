//! Numbers on the kernel's command line.

/// The number behind `key` (which ends with `=`) in the last word of the line that begins with it: decimal, or hexadecimal
/// behind `0x`. `None` if there is no such word or it has no number.
#[must_use]
pub fn number_in(line: &str, key: &str) -> Option<u64> {
    let text = line.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)).next_back()?;
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::number_in;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(number_in("init=x seed=12", "seed="), Some(12));
        assert_eq!(number_in("seed=1 seed=0xffffffffffffffff", "seed="), Some(u64::MAX));
        for line in ["", "seeds=1", "seed=", "seed=1x", "seed=-1", "xseed=1"] {
            assert_eq!(number_in(line, "seed="), None, "{line}");
        }
    }
}
