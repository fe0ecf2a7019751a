//! What the command line says about swapping: `swap=off`, `swap=ram`, `swap=ram:64M`, `swap=disk`.

use core::fmt;

/// The word after `swap=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Nothing is swapped.
    Off,
    /// Into compressed memory, at most so many bytes of it; `None` leaves the bound to the kernel.
    Ram(Option<u64>),
    /// To the first virtio block device, which must be there.
    Disk,
}

/// The word is none of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingError<'word>(&'word str);

impl fmt::Display for SettingError<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "swap={} on the command line is none of off, ram, ram:SIZE (such as ram:64M) and disk", self.0)
    }
}

impl core::error::Error for SettingError<'_> {}

impl Setting {
    /// Reads the word.
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn parse(word: &str) -> Result<Self, SettingError<'_>> {
        match word {
            "off" => Ok(Self::Off),
            "ram" => Ok(Self::Ram(None)),
            "disk" => Ok(Self::Disk),
            _ => {
                word.strip_prefix("ram:").and_then(bytes).map(|bytes| Self::Ram(Some(bytes))).ok_or(SettingError(word))
            }
        }
    }
}

/// A number of bytes, in units of K, M or G; not 0.
fn bytes(text: &str) -> Option<u64> {
    let units = [('K', 1_u64 << 10), ('M', 1 << 20), ('G', 1 << 30)];
    let (digits, unit) = units.iter().find_map(|(letter, unit)| Some((text.strip_suffix(*letter)?, *unit)))?;
    // `parse` would take a sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|number| plain && *number > 0)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::Setting;

    #[test]
    fn words_are_read() {
        assert_eq!(Setting::parse("off"), Ok(Setting::Off));
        assert_eq!(Setting::parse("ram"), Ok(Setting::Ram(None)));
        assert_eq!(Setting::parse("ram:64M"), Ok(Setting::Ram(Some(64 << 20))));
        assert_eq!(Setting::parse("ram:512K"), Ok(Setting::Ram(Some(512 << 10))));
        assert_eq!(Setting::parse("ram:2G"), Ok(Setting::Ram(Some(2 << 30))));
        assert_eq!(Setting::parse("disk"), Ok(Setting::Disk));
    }

    #[test]
    fn other_words_are_named() {
        for word in
            ["", "on", "ram:", "ram:64", "ram:0M", "ram:+1M", "ram:M", "ram:99999999999999999999M", "ram:17179869184G"]
        {
            let error = Setting::parse(word).unwrap_err();
            assert!(error.to_string().starts_with(&std::format!("swap={word} ")), "{error}");
        }
    }
}
