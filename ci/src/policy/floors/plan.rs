//! The plan itself, as it is written down.

use serde::Deserialize;

/// The floors, from the top; what is allowed besides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    #[serde(rename = "floor")]
    floors: Vec<Floor>,
    #[serde(rename = "pair", default)]
    pub(super) pairs: Vec<Pair>,
    #[serde(rename = "exception", default)]
    pub(super) exceptions: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Floor {
    /// What the floor is for.
    about: String,
    modules: Vec<String>,
}

/// An arrow between two modules of one floor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    pub(super) from: String,
    pub(super) to: String,
    reason: String,
}

/// An arrow up that is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exception {
    pub(super) from: String,
    pub(super) to: String,
    /// The most files that make it.
    pub(super) files: usize,
    reason: String,
    /// What it would take to be rid of it: in instructions, or in words.
    cost: String,
}

impl Plan {
    /// Reads a plan; one that lacks a reason or names a module twice is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let plan: Self = toml::from_str(text).map_err(|error| format!("no plan: {}", error.message()))?;
        let modules: Vec<&String> = plan.floors.iter().flat_map(|floor| &floor.modules).collect();
        if let Some(twice) = modules.iter().enumerate().find(|(at, name)| modules[..*at].contains(name)) {
            return Err(format!("`{}` is on two floors", twice.1));
        }
        let reasons = plan.pairs.iter().map(|pair| &pair.reason);
        let reasons = reasons.chain(plan.exceptions.iter().flat_map(|exception| [&exception.reason, &exception.cost]));
        if reasons.chain(plan.floors.iter().map(|floor| &floor.about)).any(|reason| reason.trim().is_empty()) {
            return Err("a reason or a cost is empty".to_string());
        }
        Ok(plan)
    }

    /// The floor of a module, counted from the top.
    pub(super) fn floor(&self, module: &str) -> Option<usize> {
        self.floors.iter().position(|floor| floor.modules.iter().any(|name| name == module))
    }

    /// All modules.
    pub(super) fn modules(&self) -> impl Iterator<Item = &str> {
        self.floors.iter().flat_map(|floor| &floor.modules).map(String::as_str)
    }
}
