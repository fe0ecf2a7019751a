//! Derives the package source of a distribution's backports from the sources that a machine has.
//!
//! Formats: sources.list(5), "ONE-LINE-STYLE FORMAT" and "DEB822-STYLE FORMAT". The mirror's address and its key are
//! taken over as they are, so a machine with its own mirror goes on using it.

/// A file with package sources, as apt reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceFile {
    /// How it is written.
    pub style: Style,
    /// What is in it.
    pub text: String,
}

/// How a file with package sources is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `.list`: one line each.
    OneLine,
    /// `.sources`: stanzas of fields.
    Stanza,
}

impl Style {
    /// The ending of the file's name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::OneLine => "list",
            Self::Stanza => "sources",
        }
    }
}

/// What has to be done for the backports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Backports {
    /// They are among the sources.
    Present,
    /// This file has to be added.
    Add(SourceFile),
}

/// The backports' suite of a release.
pub(super) fn suite(codename: &str) -> String {
    format!("{codename}-backports")
}

/// What to do so that `files` offer the backports of the release `codename`; `None` when no source of that release
/// is found.
pub(super) fn derive(files: &[SourceFile], codename: &str) -> Option<Backports> {
    let wanted = suite(codename);
    let sources: Vec<Source> = files.iter().flat_map(read).collect();
    if sources.iter().any(|source| source.suites.contains(&wanted)) {
        return Some(Backports::Present);
    }
    let base = sources.iter().find(|source| source.suites.iter().any(|suite| suite == codename))?;
    Some(Backports::Add(SourceFile { style: base.style, text: base.with_suite(&wanted) }))
}

/// One source of binary packages.
struct Source {
    style: Style,
    suites: Vec<String>,
    /// The stanza's lines without comments, or the line's words.
    parts: Vec<String>,
}

impl Source {
    fn with_suite(&self, suite: &str) -> String {
        match self.style {
            Style::OneLine => {
                let line = self.parts.iter().map(|word| if *word == self.suites[0] { suite } else { word });
                line.collect::<Vec<_>>().join(" ") + "\n"
            }
            Style::Stanza => {
                let mut text = String::new();
                let mut inside_suites = false;
                for line in &self.parts {
                    if line.starts_with([' ', '\t']) {
                        // A continuation of the field before it.
                        if inside_suites {
                            continue;
                        }
                        text.push_str(line);
                    } else {
                        let name = line.split(':').next().unwrap_or_default();
                        inside_suites = name.eq_ignore_ascii_case("Suites");
                        match name {
                            _ if inside_suites => text.push_str(&format!("Suites: {suite}")),
                            _ if name.eq_ignore_ascii_case("Types") => text.push_str("Types: deb"),
                            _ => text.push_str(line),
                        }
                    }
                    text.push('\n');
                }
                text
            }
        }
    }
}

fn read(file: &SourceFile) -> Vec<Source> {
    match file.style {
        Style::OneLine => file.text.lines().filter_map(read_line).collect(),
        Style::Stanza => {
            let lines: Vec<&str> = file.text.lines().filter(|line| !line.starts_with('#')).collect();
            lines.split(|line| line.trim().is_empty()).filter_map(read_stanza).collect()
        }
    }
}

fn read_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?;
    let words: Vec<String> = line.split_whitespace().map(String::from).collect();
    if words.first()? != "deb" {
        return None;
    }
    // Options in brackets may hold blanks: `deb [ arch=amd64 signed-by=… ] address suite components`.
    let after_options = match words.get(1)?.starts_with('[') {
        true => words.iter().position(|word| word.ends_with(']'))? + 1,
        false => 1,
    };
    let suite = words.get(after_options + 1)?.clone();
    Some(Source { style: Style::OneLine, suites: vec![suite], parts: words })
}

fn read_stanza(lines: &[&str]) -> Option<Source> {
    if !field(lines, "Types").iter().any(|kind| kind == "deb") {
        return None;
    }
    if field(lines, "Enabled").first().is_some_and(|value| value.eq_ignore_ascii_case("no")) {
        return None;
    }
    let parts = lines.iter().map(|line| (*line).to_string()).collect();
    Some(Source { style: Style::Stanza, suites: field(lines, "Suites"), parts })
}

/// The words of a field, those of its continuation lines included.
fn field(lines: &[&str], name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut inside = false;
    for line in lines {
        let value = if line.starts_with([' ', '\t']) {
            line
        } else {
            let Some((field, value)) = line.split_once(':') else { continue };
            inside = field.eq_ignore_ascii_case(name);
            value
        };
        if inside {
            words.extend(value.split_whitespace().map(String::from));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanzas(text: &str) -> SourceFile {
        SourceFile { style: Style::Stanza, text: text.into() }
    }

    fn lines(text: &str) -> SourceFile {
        SourceFile { style: Style::OneLine, text: text.into() }
    }

    const DEBIAN_12: &str = "\
Types: deb
# a comment
URIs: mirror:/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: mirror:/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";

    #[test]
    fn the_stanza_of_the_release_is_taken() {
        let expected = "\
Types: deb
URIs: mirror:/debian
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";
        assert_eq!(derive(&[stanzas(DEBIAN_12)], "bookworm"), Some(Backports::Add(stanzas(expected))));
    }

    #[test]
    fn backports_that_are_there_are_not_added_again() {
        let present = stanzas("Types: deb\nURIs: mirror:/debian\nSuites: bookworm-backports\nComponents: main\n");
        assert_eq!(derive(&[stanzas(DEBIAN_12), present], "bookworm"), Some(Backports::Present));
        let line = lines("deb mirror:/debian bookworm-backports main\n");
        assert_eq!(derive(&[stanzas(DEBIAN_12), line], "bookworm"), Some(Backports::Present));
    }

    #[test]
    fn lines_with_and_without_options() {
        let text = "# deb mirror:/old bookworm main\n\
                    deb-src mirror:/debian bookworm main\n\
                    deb [ arch=amd64 signed-by=/k.gpg ] mirror:/debian bookworm main contrib # note\n";
        let expected = "deb [ arch=amd64 signed-by=/k.gpg ] mirror:/debian bookworm-backports main contrib\n";
        assert_eq!(derive(&[lines(text)], "bookworm"), Some(Backports::Add(lines(expected))));
        let plain = lines("deb mirror:/debian bookworm main\n");
        let expected = lines("deb mirror:/debian bookworm-backports main\n");
        assert_eq!(derive(&[plain], "bookworm"), Some(Backports::Add(expected)));
    }

    #[test]
    fn source_packages_continuations_and_disabled_stanzas() {
        let text = "Types: deb\nEnabled: no\nURIs: mirror:/off\nSuites: bookworm\nComponents: main\n\n\
                    types: deb deb-src\nURIs: mirror:/debian\nSuites: bookworm\n bookworm-updates\n\
                    Components: main\nSigned-By:\n -----BEGIN\n .\n abc\n";
        let expected = "Types: deb\nURIs: mirror:/debian\nSuites: bookworm-backports\n\
                        Components: main\nSigned-By:\n -----BEGIN\n .\n abc\n";
        assert_eq!(derive(&[stanzas(text)], "bookworm"), Some(Backports::Add(stanzas(expected))));
    }

    #[test]
    fn another_release_has_no_source() {
        assert_eq!(derive(&[stanzas(DEBIAN_12)], "trixie"), None);
        assert_eq!(derive(&[], "bookworm"), None);
        assert_eq!(derive(&[lines("deb\ndeb [\ndeb x\n")], "bookworm"), None);
    }
}
