//! Records: the JSON lines that the guest writes to the debug console.

use serde::Deserialize;
use serde_json::Value;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// How far a piece of work has come.
    Progress(Progress),
    /// The final result as the guest wrote it; see [`crate::result`] for its checked form.
    Result(Value),
    /// A record of another kind: its key and its value.
    Other(String, Value),
}

/// How far a piece of work has come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What is being done.
    pub text: String,
    /// Units done.
    pub done: u64,
    /// Units in all; 0 when not known.
    pub total: u64,
}

impl Record {
    /// Reads one line.
    ///
    /// # Errors
    /// Says what is wrong with a line that is no record: not JSON, not an object with one key, a wrong field.
    pub fn parse(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
        let Value::Object(object) = value else { return Err("not a JSON object".into()) };
        let mut fields = object.into_iter();
        let (Some((key, value)), None) = (fields.next(), fields.next()) else {
            return Err("not an object with exactly one key".into());
        };
        match key.as_str() {
            "progress" => {
                let progress = serde_path_to_error::deserialize(value).map_err(|error| format!("progress: {error}"))?;
                Ok(Self::Progress(progress))
            }
            "result" => Ok(Self::Result(value)),
            _ => Ok(Self::Other(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_kinds_are_told_apart() {
        let progress = Progress { text: "faults".into(), done: 3, total: 9 };
        let line = r#"{"progress":{"text":"faults","done":3,"total":9}}"#;
        assert_eq!(Record::parse(line), Ok(Record::Progress(progress)));
        assert_eq!(Record::parse(r#"{"result":{"a":1}}"#), Ok(Record::Result(json!({"a": 1}))));
        assert_eq!(Record::parse(r#"{"sample":[1,2]}"#), Ok(Record::Other("sample".into(), json!([1, 2]))));
    }

    #[test]
    fn broken_lines_say_what_is_wrong() {
        let wrong = |line: &str| Record::parse(line).unwrap_err();
        assert!(wrong("{").starts_with("not JSON"));
        assert_eq!(wrong("[1]"), "not a JSON object");
        assert_eq!(wrong("{}"), "not an object with exactly one key");
        assert_eq!(wrong(r#"{"a":1,"b":2}"#), "not an object with exactly one key");
        let line = r#"{"progress":{"text":"x","done":-1,"total":2}}"#;
        assert!(wrong(line).starts_with("progress: done:"), "{}", wrong(line));
    }
}
