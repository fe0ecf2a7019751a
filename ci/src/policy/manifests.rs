//! Dependencies point one way: kernel, then smp, then percpu.

use std::path::Path;

use super::finding::Finding;

/// A package, and the packages of this workspace that it must not use.
const FORBIDDEN: [(&str, &[&str]); 5] = [
    ("percpu/Cargo.toml", &["gatehouse-smp", "kernel", "gatehouse-abi", "gatehouse-core", "ci"]),
    ("smp/Cargo.toml", &["kernel", "gatehouse-abi", "gatehouse-core", "ci"]),
    ("kernel/abi/Cargo.toml", &["kernel", "gatehouse-core", "gatehouse-smp", "gatehouse-percpu", "ci"]),
    ("kernel/runtime/Cargo.toml", &["kernel", "gatehouse-core", "gatehouse-smp", "gatehouse-percpu", "ci"]),
    ("kernel/core/Cargo.toml", &["kernel", "ci"]),
];

const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(super) fn check(path: &Path, text: &str, findings: &mut Vec<Finding>) {
    let Some((_, forbidden)) = FORBIDDEN.iter().find(|(name, _)| Path::new(name) == path) else { return };
    let manifest: toml::Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return findings.push(Finding::new(path, 1, format!("not TOML: {error}"))),
    };
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table);
    for table in tables.chain([&manifest]) {
        for dependencies in TABLES.iter().filter_map(|name| table.get(*name)?.as_table()) {
            for (key, value) in dependencies {
                // `other = { package = "kernel", … }` is a use too.
                let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
                if forbidden.contains(&package) {
                    let message =
                        format!("a dependency on {package}: dependencies go kernel -> core, smp -> percpu only");
                    findings.push(Finding::new(path, line_with(text, key), message));
                }
            }
        }
    }
}

fn line_with(text: &str, key: &str) -> usize {
    let is_key = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with([' ', '=', '.']));
    text.lines().position(is_key).map_or(1, |position| position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(Path::new(path), text, &mut findings);
        findings.into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn the_wrong_direction_is_found_in_every_table() {
        let text = "[package]\nname = \"p\"\n\n[dependencies]\nx86_64 = \"1\"\nsmp = { package = \"gatehouse-smp\", path = \"../smp\" }\n";
        assert!(found("percpu/Cargo.toml", text)[0].starts_with("percpu/Cargo.toml:6: a dependency on gatehouse-smp"));
        let text = "[target.'cfg(unix)'.dev-dependencies]\nk = { package = \"kernel\", path = \"../kernel\" }\n";
        assert!(found("smp/Cargo.toml", text)[0].starts_with("smp/Cargo.toml:2: a dependency on kernel"));
    }

    #[test]
    fn the_right_direction_is_not() {
        assert!(found("smp/Cargo.toml", "[dependencies]\ngatehouse-percpu = { path = \"../percpu\" }\n").is_empty());
        assert!(found("kernel/Cargo.toml", "[dependencies]\ngatehouse-smp = { path = \"../smp\" }\n").is_empty());
    }
}
