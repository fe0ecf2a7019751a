//! Samples of an operation, from the guest's records or from traces.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::catalogue;
use super::path::Path;
use ci::transcript::Transcript;

/// The key of the guest's records.
const RECORD: &str = "icount";

/// How the instructions were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// By the guest's time-stamp counter, the program's own instructions taken off.
    Clock,
    /// One by one, in the debugger.
    Trace,
}

/// Samples of an operation: guest instructions of the kernel, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// How they were counted.
    pub method: Method,
    /// The samples, at least one.
    pub samples: Vec<u64>,
}

impl Measurement {
    fn new(method: Method, mut samples: Vec<u64>) -> Option<Self> {
        samples.sort_unstable();
        (!samples.is_empty()).then_some(Self { method, samples })
    }

    /// The sample in the middle.
    pub fn median(&self) -> u64 {
        self.samples[self.samples.len() / 2]
    }

    /// The least.
    pub fn min(&self) -> u64 {
        self.samples[0]
    }

    /// The most.
    pub fn max(&self) -> u64 {
        self.samples[self.samples.len() - 1]
    }
}

/// What the guest writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    key: String,
    user: u64,
    operations: u64,
    samples: Vec<u64>,
}

/// The measurements in the records of a boot, by key.
///
/// # Errors
/// A record that is none, an unknown key, or fewer ticks than the program's own.
pub fn from_records(transcript: &Transcript) -> Result<BTreeMap<String, Measurement>> {
    let mut measurements = BTreeMap::new();
    for value in transcript.others(RECORD) {
        let recorded: Recorded = serde_path_to_error::deserialize(value).context("a record of the guest")?;
        let Recorded { key, user, operations, samples } = recorded;
        if catalogue::find(&key).is_none() {
            bail!("the guest measured {key:?}, which is not in the catalogue");
        }
        if operations == 0 || samples.iter().any(|ticks| *ticks < user) {
            bail!("the guest's samples of {key} are fewer ticks than its own {user}: {samples:?}");
        }
        let kernel = samples.iter().map(|ticks| (ticks - user) / operations).collect();
        let measurement = Measurement::new(Method::Clock, kernel).with_context(|| format!("no samples of {key}"))?;
        measurements.insert(key, measurement);
    }
    Ok(measurements)
}

/// The measurements that the paths are, by key.
pub fn from_paths(paths: &[Path]) -> BTreeMap<String, Measurement> {
    let mut samples: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for path in paths.iter().filter(|path| catalogue::find(&path.key).is_some()) {
        samples.entry(&path.key).or_default().push(path.instructions());
    }
    let measured =
        |(key, samples): (&str, Vec<u64>)| Some((key.to_string(), Measurement::new(Method::Trace, samples)?));
    samples.into_iter().filter_map(measured).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use ci::outcome::Outcome;
    use ci::record::Record;

    fn transcript(value: serde_json::Value) -> Transcript {
        Transcript {
            outcome: Outcome::Pass,
            console: Vec::new(),
            kernel: Vec::new(),
            records: vec![Record::Other("icount".into(), value)],
            malformed: Vec::new(),
            emulator_words: String::new(),
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn the_programs_own_ticks_are_taken_off() {
        let value = json!({"key": "syscall_null", "user": 10, "operations": 1, "samples": [30, 20, 25]});
        let measured = from_records(&transcript(value)).unwrap();
        let measurement = &measured["syscall_null"];
        assert_eq!((measurement.min(), measurement.median(), measurement.max()), (10, 15, 20));
    }

    #[test]
    fn two_operations_in_a_sample_share_it() {
        let value = json!({"key": "context_switch", "user": 10, "operations": 2, "samples": [110]});
        assert_eq!(from_records(&transcript(value)).unwrap()["context_switch"].median(), 50);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |value| format!("{:#}", from_records(&transcript(value)).unwrap_err());
        let unknown = json!({"key": "x", "user": 0, "operations": 1, "samples": [1]});
        assert!(refused(unknown).contains("not in the catalogue"));
        let less = json!({"key": "call", "user": 9, "operations": 1, "samples": [1]});
        assert!(refused(less).contains("fewer ticks"));
        let none = json!({"key": "call", "user": 9, "operations": 1, "samples": []});
        assert!(refused(none).contains("no samples"));
        assert!(refused(json!({"key": "call"})).contains("missing field"));
    }
}
