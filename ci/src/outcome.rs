//! How a boot ended.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

/// Values that the kernel writes to the debug-exit port. QEMU's isa-debug-exit turns `v` into exit status
/// `(v << 1) | 1`.
pub mod exit_value {
    /// Everything passed.
    pub const PASS: u32 = 0x10;
    /// Something failed.
    pub const FAIL: u32 = 0x11;
    /// The kernel panicked.
    pub const PANIC: u32 = 0x12;
    /// The kernel locked down after a fatal trap.
    pub const LOCKDOWN: u32 = 0x13;
}

/// How a boot ended. Only [`Outcome::Pass`] is success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest said that all is well.
    Pass,
    /// The guest said that something failed.
    Fail,
    /// The kernel panicked.
    Panic,
    /// The kernel locked down after a fatal trap.
    Lockdown,
    /// QEMU ended with status 0: the machine was reset (triple fault) or QEMU was told to quit.
    Reset,
    /// QEMU ended with status 1 and these words.
    EmulatorError(String),
    /// QEMU ended with a status that no kernel of ours causes.
    Unknown(i32),
    /// A signal ended QEMU.
    Signalled(i32),
    /// The guest gave no sign for this long; QEMU was killed.
    Timeout(Duration),
    /// The guest went on for this long without an end; QEMU was killed.
    Endless(Duration),
    /// This tool was told to end (Ctrl-C, SIGTERM); QEMU was killed.
    Interrupted,
}

impl Outcome {
    /// The outcome by QEMU's exit status; `words` is what QEMU printed on its standard error.
    pub fn from_status(status: ExitStatus, words: &str) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::from_code(code, words),
            (None, signal) => Self::Signalled(signal.unwrap_or(0)),
        }
    }

    /// As [`Self::from_status`], by the number.
    pub fn from_code(code: i32, words: &str) -> Self {
        const fn code_of(value: u32) -> i32 {
            (value << 1 | 1) as i32
        }
        const PASS: i32 = code_of(exit_value::PASS);
        const FAIL: i32 = code_of(exit_value::FAIL);
        const PANIC: i32 = code_of(exit_value::PANIC);
        const LOCKDOWN: i32 = code_of(exit_value::LOCKDOWN);
        match code {
            PASS => Self::Pass,
            FAIL => Self::Fail,
            PANIC => Self::Panic,
            LOCKDOWN => Self::Lockdown,
            0 => Self::Reset,
            1 => Self::EmulatorError(words.trim().to_string()),
            other => Self::Unknown(other),
        }
    }

    /// The outcome by the kernel's last line on the console, on a machine that it turned off because there was no device to give a
    /// status to.
    pub fn from_last_line(line: &str) -> Option<Self> {
        match line {
            "machine: pass" => Some(Self::Pass),
            "machine: fail" => Some(Self::Fail),
            "kernel panic: end of the report" => Some(Self::Panic),
            "lockdown: end of the report" => Some(Self::Lockdown),
            _ => None,
        }
    }

    /// Whether it is [`Outcome::Pass`].
    pub fn is_pass(&self) -> bool {
        *self == Self::Pass
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => formatter.write_str("pass"),
            Self::Fail => formatter.write_str("fail: the guest reports a failure"),
            Self::Panic => formatter.write_str("fail: the kernel panicked"),
            Self::Lockdown => formatter.write_str("fail: the kernel locked down after a fatal trap"),
            Self::Reset => formatter.write_str("fail: the machine was reset (triple fault) or QEMU was told to quit"),
            Self::EmulatorError(words) if words.is_empty() => {
                formatter.write_str("fail: QEMU stopped with an error and gave no reason")
            }
            Self::EmulatorError(words) => write!(formatter, "fail: QEMU stopped with an error: {words}"),
            Self::Unknown(code) => write!(formatter, "fail: QEMU ended with unknown status {code}"),
            Self::Signalled(signal) => write!(formatter, "fail: QEMU was ended by signal {signal}"),
            Self::Timeout(limit) => {
                write!(
                    formatter,
                    "fail: no progress for {} s, QEMU was stopped (--timeout sets the limit)",
                    limit.as_secs()
                )
            }
            Self::Endless(limit) => {
                write!(formatter, "fail: no end within {} s, QEMU was stopped (ten times --timeout)", limit.as_secs())
            }
            Self::Interrupted => formatter.write_str("fail: interrupted, QEMU was stopped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_have_their_meaning() {
        let expected = [
            (33, Outcome::Pass),
            (35, Outcome::Fail),
            (37, Outcome::Panic),
            (39, Outcome::Lockdown),
            (0, Outcome::Reset),
            (1, Outcome::EmulatorError("bad option".into())),
            (41, Outcome::Unknown(41)),
            (2, Outcome::Unknown(2)),
        ];
        for (code, outcome) in expected {
            assert_eq!(Outcome::from_code(code, " bad option\n"), outcome);
            assert_eq!(outcome.is_pass(), code == 33, "{code}");
        }
    }

    #[test]
    fn only_whole_last_lines_of_the_kernel_count() {
        assert_eq!(Outcome::from_last_line("machine: pass"), Some(Outcome::Pass));
        assert_eq!(Outcome::from_last_line("lockdown: end of the report"), Some(Outcome::Lockdown));
        for line in ["pass", "machine: pas", "machine: pass ", "suite: 27 ok, 0 failed"] {
            assert_eq!(Outcome::from_last_line(line), None, "{line}");
        }
    }
}
