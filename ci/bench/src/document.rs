//! The result of a run, as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::budgets::Budgets;
use super::catalogue::OPERATIONS;
use super::deterministic::Counted;
use super::instruction::Kinds;
use super::load::{Scale, Throughput};
use super::measurement::Method;
use super::peers::Peers;
use super::sharing::Sharing;

/// Why an operation has no figure.
const NOT_MEASURED: &str = "not available: the program `bench` does not measure it";

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The command that made it.
    #[serde(default)]
    pub command: String,
    /// The compiler of the kernel, as it names itself. Of two the figures may differ.
    #[serde(default)]
    pub compiler: String,
    /// When, seconds since 1970.
    #[serde(default)]
    pub time: u64,
    /// Guest instructions by operation.
    pub icount: BTreeMap<String, Operation>,
    /// Cache lines on the local fault path.
    #[serde(default)]
    pub false_sharing: Sharing,
    /// What is measured in host time: ratios within a run. None after `--quick`.
    #[serde(default, with = "whole_or_empty")]
    pub throughput: Option<Throughput>,
    /// What depends on the number of CPUs. None after `--quick`.
    #[serde(default, with = "whole_or_empty")]
    pub scale: Option<Scale>,
}

/// One operation, in guest instructions of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The median; none where the operation is not available.
    pub instructions: Option<u64>,
    /// What it may take.
    pub budget: Option<u64>,
    /// How many samples.
    pub samples: u64,
    /// The least.
    pub min: Option<u64>,
    /// The most.
    pub max: Option<u64>,
    /// What it is to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u64>,
    /// What other kernels take.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<String, u64>,
    /// How it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// How often each number was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distribution: Vec<(u64, u64)>,
    /// Dear instructions on the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Kinds>,
    /// Cache lines of data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_lines: Option<CacheLines>,
    /// Why there is no figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Cache lines of data on a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheLines {
    /// Read, or written.
    pub touched: u64,
    /// Written.
    pub written: u64,
}

/// The counted part of a document.
pub fn icount(counted: &Counted, budgets: &Budgets, peers: &Peers) -> BTreeMap<String, Operation> {
    let mut operations = BTreeMap::new();
    for operation in OPERATIONS {
        let measured = counted.measurements.get(operation.key);
        if measured.is_none() && !operation.fixed {
            continue;
        }
        let comparison = peers.of(operation.key);
        let path = counted.path(operation.key);
        let lines = path.map(|path| path.lines(None));
        let mut distribution: BTreeMap<u64, u64> = BTreeMap::new();
        measured.iter().flat_map(|measured| &measured.samples).for_each(|n| *distribution.entry(*n).or_default() += 1);
        operations.insert(
            operation.key.to_string(),
            Operation {
                instructions: measured.map(|measured| measured.median()),
                budget: budgets.get(operation.key).copied(),
                samples: measured.map_or(0, |measured| measured.samples.len() as u64),
                min: measured.map(|measured| measured.min()),
                max: measured.map(|measured| measured.max()),
                target: comparison.target,
                peers: comparison.peers,
                method: measured.map(|measured| measured.method),
                distribution: distribution.into_iter().collect(),
                kinds: path.map(|path| path.kinds()),
                cache_lines: lines.map(|lines| CacheLines {
                    touched: lines.touched.len() as u64,
                    written: lines.written.len() as u64,
                }),
                reason: measured.is_none().then(|| NOT_MEASURED.to_string()),
            },
        );
    }
    operations
}

/// An object without fields stands for none.
mod whole_or_empty {
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::{Map, Value};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => Map::new().serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let map = Map::deserialize(deserializer)?;
        if map.is_empty() {
            return Ok(None);
        }
        serde_json::from_value(Value::Object(map)).map(Some).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back() {
        let empty = Document::default();
        let text = serde_json::to_string(&empty).unwrap();
        assert!(text.contains("\"throughput\":{}") && text.contains("\"scale\":{}"), "{text}");
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), empty);
        let full = Document { throughput: Some(Throughput { cpus: 4, ..Throughput::default() }), ..empty };
        let text = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), full);
    }
}
