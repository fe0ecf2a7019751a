//! One name for one thing: words that the field has another one for, and that this project has used before.

use std::path::Path;

use super::finding::Finding;

/// Words, and what is said instead. A word is whole between characters that no name has, in any case of letters, and a name's part
/// between underscores is one too.
const WORDS: [(&str, &str); 17] = [
    ("poke", "kick"),
    ("pokes", "kicks"),
    ("poked", "kicked"),
    ("poking", "kicking"),
    ("errand", "pending work"),
    ("errands", "pending work"),
    ("envelope", "request header"),
    ("envelopes", "request headers"),
    ("roams", "is migratable"),
    ("roaming", "migratable"),
    ("rooted", "pinned"),
    ("disclaim", "release"),
    ("straggler", "late interrupt"),
    ("door", "entry point, entry or boot protocol"),
    ("doors", "entry points, entries or boot protocols"),
    ("setaside", "emergency reserve"),
    ("lonereceiver", "sole waiter"),
];

/// Two words in a row, likewise.
const PAIRS: [(&str, &str, &str); 7] = [
    ("short", "way", "fast path"),
    ("long", "way", "slow path"),
    ("set", "aside", "reserved"),
    ("bring", "back", "swap in"),
    ("brought", "back", "swapped in"),
    ("send", "away", "swap out"),
    ("sent", "away", "swapped out"),
];

pub(super) fn check(path: &Path, text: &str, findings: &mut Vec<Finding>) {
    if path.ends_with(file!().rsplit('/').next().unwrap_or_default()) {
        return;
    }
    for (line, number) in text.lines().zip(1..) {
        let line = line.to_lowercase();
        let words: Vec<&str> =
            line.split(|sign: char| !sign.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let mut found = |word: &str, instead: &str| {
            findings.push(Finding::new(path, number, format!("`{word}`: the field says {instead}")));
        };
        for word in &words {
            if let Some((_, instead)) = WORDS.iter().find(|(other, _)| other == word) {
                found(word, instead);
            }
        }
        for pair in words.windows(2) {
            if let Some((_, _, instead)) = PAIRS.iter().find(|(first, second, _)| pair == [*first, *second]) {
                found(&pair.join(" "), instead);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(Path::new("a.rs"), text, &mut findings);
        findings.into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn words_are_found_alone_in_names_and_in_pairs() {
        assert_eq!(
            found("/// Kicks it.\nfn f() {} // by the short way\n"),
            ["a.rs:2: `short way`: the field says fast path"]
        );
        assert_eq!(found("fn take_errands() {}\n"), ["a.rs:1: `errands`: the field says pending work"]);
        assert_eq!(found("struct Door;\n").len(), 1);
        assert_eq!(found("fn call_the_long_way() {}\n").len(), 1);
        assert!(found("let spoken = indoors(uprooted, along, wayward);\n").is_empty());
    }
}
