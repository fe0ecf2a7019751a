//! The engine that counts: the program `bench` under an instruction count, once for samples and once step by step.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::catalogue;
use super::measurement::{self, Measurement};
use super::path::{Path, between_stamps, halves, paths};
use super::recorder::record;
use super::sharing::{Sharing, sharing};
use super::symbols::Symbols;
use super::trace::Trace;
use ci::kernel_build::Artifacts;
use ci::machine::Machine;
use ci::session::Observer;

/// CPUs of the machine whose instructions are counted: the fewest on which CPUs can be crossed.
pub const CPUS: u32 = 2;

/// What a run of the engine found.
#[derive(Debug)]
pub struct Counted {
    /// Samples by operation.
    pub measurements: BTreeMap<String, Measurement>,
    /// What was executed, in the order in which it was recorded: several of a key.
    pub paths: Vec<Path>,
    /// The kernel's names.
    pub symbols: Symbols,
    /// Where samples and traces do not agree.
    pub disagreements: Vec<String>,
}

impl Counted {
    /// The path of an operation: of those that were recorded the last whose length is nearest to the median.
    pub fn path(&self, key: &str) -> Option<&Path> {
        let found = self.paths.iter().rev().filter(|path| path.key == key);
        let median = self.measurements.get(key).map(Measurement::median);
        found.min_by_key(|path| median.map_or(0, |median| path.instructions().abs_diff(median)))
    }

    /// Which cache lines CPUs share on the local fault path.
    pub fn sharing(&self) -> Sharing {
        sharing(&self.paths, &self.symbols)
    }
}

/// The machine that counts.
pub fn machine() -> Machine {
    Machine::new().smp(CPUS).icount(true)
}

/// Takes samples.
///
/// # Errors
/// The machine cannot be started, the boot does not pass, or the records are wrong.
pub fn samples(artifacts: &Artifacts, observer: &mut dyn Observer) -> Result<BTreeMap<String, Measurement>> {
    let transcript = machine().command_line("init=bench").artifacts(artifacts.clone()).run_observed(observer)?;
    if !transcript.outcome.is_pass() {
        bail!("the program `bench` does not pass: {transcript}");
    }
    if let Some(line) = transcript.malformed.first() {
        bail!("the program `bench` wrote a line that is no record: {line}");
    }
    measurement::from_records(&transcript)
}

/// Records what is executed for these operations, or for all; several times each.
///
/// # Errors
/// Those of [`record`], or a trace that is not what its name says.
pub fn traced(artifacts: &Artifacts, only: Option<&str>, progress: &mut dyn FnMut(&Trace)) -> Result<Vec<Path>> {
    let selection = only.map(|keys| format!(" only={keys}")).unwrap_or_default();
    let machine = machine().command_line(format!("init=bench bench=trace test-hooks{selection}"));
    let (mut found, mut refused) = (Vec::new(), BTreeMap::new());
    for trace in record(&machine, artifacts, progress)? {
        match paths(&trace) {
            Ok(paths) => found.extend(paths),
            Err(reason) => drop(refused.insert(trace.name, reason)),
        }
    }
    // Between two traces the emulator's clock may jump, and a timer fire where none would otherwise: a thread that ran
    // too early does not run between the marks. One round without is enough.
    let keys = |name: &str| {
        name.split([',', '*']).filter(|key| !matches!(*key, "" | "-")).map(str::to_string).collect::<Vec<_>>()
    };
    let lost = |name: &str| keys(name).into_iter().any(|key| found.iter().all(|path: &Path| path.key != key));
    let asked = between_stamps(&found);
    match refused.into_iter().find(|(name, _)| lost(name)) {
        Some((_, reason)) => bail!("{reason}, in every round"),
        None => {
            found.extend(asked);
            Ok(found)
        }
    }
}

/// Both.
///
/// # Errors
/// Those of [`samples`] and [`traced`].
pub fn count(artifacts: &Artifacts, observer: &mut dyn Observer, progress: &mut dyn FnMut(&Trace)) -> Result<Counted> {
    let symbols = Symbols::read(&artifacts.kernel)?;
    let sampled = samples(artifacts, observer)?;
    let mut paths = traced(artifacts, None, progress)?;
    paths.extend(halves(&paths, &symbols));
    let traced = measurement::from_paths(&paths);
    let disagreements = disagreements(&sampled, &traced);
    let mut measurements = traced;
    measurements.extend(sampled);
    Ok(Counted { measurements, paths, symbols, disagreements })
}

/// Two ways of counting must come to the same: a round that was stepped through is as long as the sample in the middle. Not
/// all need be, since the emulator's clock may jump between two traces, and a timer be armed that is so already otherwise.
fn disagreements(sampled: &BTreeMap<String, Measurement>, traced: &BTreeMap<String, Measurement>) -> Vec<String> {
    let differ = |(key, sampled): (&String, &Measurement)| {
        let traced = traced.get(key)?;
        (traced.median() != sampled.median())
            .then(|| format!("{key}: {} instructions by the clock, {} one by one", sampled.median(), traced.median()))
    };
    let varies = |key: &str| catalogue::find(key).is_some_and(|operation| operation.varies);
    sampled.iter().filter(|(key, _)| !varies(key)).filter_map(differ).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Method;

    fn one(key: &str, method: Method, value: u64) -> BTreeMap<String, Measurement> {
        BTreeMap::from([(key.to_string(), Measurement { method, samples: vec![value] })])
    }

    #[test]
    fn disagreements_are_told() {
        let sampled = one("call", Method::Clock, 300);
        assert!(disagreements(&sampled, &one("call", Method::Trace, 300)).is_empty());
        assert!(disagreements(&sampled, &one("nmi", Method::Trace, 1)).is_empty());
        let told = disagreements(&sampled, &one("call", Method::Trace, 301));
        assert_eq!(told, ["call: 300 instructions by the clock, 301 one by one"]);
        let sampled = one("thread_create", Method::Clock, 300);
        assert!(disagreements(&sampled, &one("thread_create", Method::Trace, 301)).is_empty());
    }
}
