//! A file has one subject; one that is this long has two, or says why not.

use std::path::Path;

use super::finding::Finding;

/// The most lines of a source file.
const LIMIT: usize = 450;

/// Longer files, each with the most lines it may have and the reason why it is not split.
const LONGER: [(&str, usize, &str); 0] = [];

pub(super) fn check(path: &Path, text: &str, findings: &mut Vec<Finding>) {
    check_against(&LONGER, path, text, findings);
}

fn check_against(longer: &[(&str, usize, &str)], path: &Path, text: &str, findings: &mut Vec<Finding>) {
    let exception = longer.iter().find(|(name, ..)| Path::new(name) == path);
    let limit = exception.map_or(LIMIT, |(_, limit, _)| *limit);
    let lines = text.lines().count();
    if lines > limit {
        findings.push(Finding::new(path, limit + 1, format!("{lines} lines, the limit is {limit}: split the file")));
    } else if exception.is_some() && lines <= LIMIT {
        findings.push(Finding::new(path, 1, format!("{lines} lines need no exception: take it off the list")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(longer: &[(&str, usize, &str)], lines: usize) -> Vec<String> {
        let mut findings = Vec::new();
        check_against(longer, Path::new("a.rs"), &"x\n".repeat(lines), &mut findings);
        findings.into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn the_limit_and_its_exceptions() {
        assert!(messages(&[], LIMIT).is_empty());
        assert!(messages(&[], LIMIT + 1)[0].starts_with("a.rs:451: 451 lines, the limit is 450"));
        let longer = [("a.rs", 600, "one table")];
        assert!(messages(&longer, 600).is_empty());
        assert_eq!(messages(&longer, 601).len(), 1);
        assert!(messages(&longer, 10)[0].contains("take it off the list"));
    }
}
