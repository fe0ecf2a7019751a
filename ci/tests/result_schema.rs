//! The published schema and the types of `ci::result` describe the same documents.

use std::collections::BTreeSet;
use std::fs;

use ci::result::Document;
use ci::workspace;
use serde_json::{Value, json};

fn schema() -> Value {
    let path = workspace::root().join("docs/result.schema.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn cpu(index: u64) -> Value {
    json!({
        "index": index, "apic_id": 2 * index, "online_us": 150,
        "block": "0xffff800000100000", "gdt": "0xffff800000100100", "tss": "0xffff800000100200",
        "ist": {
            "nmi": "0xffffc00000002000", "double_fault": "0xffffc00000004000",
            "machine_check": "0xffffc00000006000", "debug": "0xffffc00000008000"
        },
        "interrupt_stack": {"base": "0xffffc00000010000", "top": "0xffffc00000050000", "deepest": 1800},
        "traps": {"page_fault": 3, "breakpoint": 0}, "timer": 10, "ipi": 2, "device": 1, "spurious": 0, "unexpected": 0,
        "system_calls": 100,
        "paged": 2, "debugged": 4
    })
}

fn document() -> Value {
    json!({
        "verdict": "fail", "seconds": 1.25, "boot": "uefi", "cpus": [cpu(0), cpu(1)], "bring_up_us": 1500,
        "bytes_per_cpu": 400_000, "traps": {"page_fault": {"expected": 6, "counted": 5, "unasked": 1}},
        "handled": {"page_fault_paged": {"expected": 4, "counted": 4}}, "frames_leaked": -2
    })
}

/// Keys that a document may leave out.
const OPTIONAL: [&str; 1] = ["unasked"];

/// Compares a piece of the schema with a piece of a document that the types take: each object has the keys that
/// the schema names, all but [`OPTIONAL`] of them required and no others allowed, and each value has the type that it names.
fn compare(schema: &Value, piece: &Value, value: &Value, at: &str) {
    if let Some(reference) = piece.get("$ref") {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        return compare(schema, schema.pointer(pointer).unwrap(), value, at);
    }
    if let Some(choices) = piece.get("enum") {
        return assert!(choices.as_array().unwrap().contains(value), "{at}: {value} is none of {choices}");
    }
    match (piece["type"].as_str().unwrap(), value) {
        ("object", Value::Object(object)) => compare_object(schema, piece, object, at),
        ("array", Value::Array(array)) => {
            array.iter().for_each(|item| compare(schema, &piece["items"], item, &format!("{at}/item")));
        }
        ("string", Value::String(_)) => assert!(piece["pattern"].is_string(), "{at}: a free string"),
        ("integer", Value::Number(number)) => assert!(number.is_i64() || number.is_u64(), "{at}: {number}"),
        ("number", Value::Number(_)) => {}
        (expected, value) => panic!("{at}: {value} is no {expected}"),
    }
}

fn compare_object(schema: &Value, piece: &Value, object: &serde_json::Map<String, Value>, at: &str) {
    let Some(properties) = piece.get("properties") else {
        // A table with open names.
        return object.values().for_each(|value| compare(schema, &piece["additionalProperties"], value, at));
    };
    let properties = properties.as_object().unwrap();
    let keys: BTreeSet<_> = object.keys().map(String::as_str).collect();
    let named: BTreeSet<_> = properties.keys().map(String::as_str).collect();
    let required: BTreeSet<_> = piece["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(keys, named, "{at}");
    let left_out: BTreeSet<_> = OPTIONAL.into();
    assert_eq!(&keys - &left_out, required, "{at}");
    assert_eq!(piece["additionalProperties"], json!(false), "{at}");
    for (key, value) in object {
        compare(schema, &properties[key], value, &format!("{at}/{key}"));
    }
}

#[test]
fn the_schema_names_the_keys_and_types_of_the_document() {
    Document::from_value(&document()).unwrap();
    let schema = schema();
    compare(&schema, &schema, &document(), "");
}

#[test]
fn the_schema_names_the_choices_of_the_types() {
    let schema = schema();
    for (key, others) in [("verdict", ["pass", "fail"].as_slice()), ("boot", &["pvh", "bios", "uefi"])] {
        assert_eq!(schema["properties"][key]["enum"], json!(others));
        for choice in others {
            let mut document = document();
            document[key] = json!(choice);
            Document::from_value(&document).unwrap();
        }
    }
}

/// Pointers to all values in a document.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), all)),
        Value::Array(array) => {
            array.iter().enumerate().for_each(|(position, value)| pointers(value, &format!("{at}/{position}"), all));
        }
        _ => {}
    }
    if !at.is_empty() {
        all.push(at.to_string());
    }
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    let mut all = Vec::new();
    pointers(&document(), "", &mut all);
    assert!(all.len() > 50, "{all:?}");
    for pointer in all {
        let mut wrong = document();
        *wrong.pointer_mut(&pointer).unwrap() = json!([null]);
        assert!(Document::from_value(&wrong).is_err(), "a wrong {pointer} is taken");
    }
}

#[test]
fn a_missing_and_an_unknown_key_are_refused() {
    let mut all = Vec::new();
    pointers(&document(), "", &mut all);
    for pointer in all {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        // The names of traps are open, and a shorter list of CPUs is a right one.
        if parent.ends_with("/traps") || parent == "/handled" || parent == "/cpus" {
            continue;
        }
        let mut missing = document();
        missing.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        let mut unknown = document();
        unknown.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert("unknown".into(), json!(1));
        let may_be_missing = OPTIONAL.contains(&key);
        assert!(Document::from_value(&missing).is_err() != may_be_missing, "an object without {pointer}");
        assert!(Document::from_value(&unknown).is_err(), "an unknown key beside {pointer} is taken");
    }
}
