//! No place of the machine that builds is compiled in. Where a checkout was copied with its target folder, cargo builds
//! nothing anew, and what was compiled in goes on reading the old one.

use std::path::{Component, Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

use super::finding::Finding;
use super::tokens::{Source, each_list, is_sign, is_word, line_of};

/// What cargo tells the compiler of the machine's folders.
const FOLDERS: [&str; 4] = ["CARGO_MANIFEST_", "CARGO_BIN_EXE_", "CARGO_TARGET_TMPDIR", "OUT_DIR"];

pub(super) fn check(source: &Source<'_>, findings: &mut Vec<Finding>) {
    each_list(&source.tokens, &mut |list| {
        for call in list.windows(3) {
            let [TokenTree::Ident(name), sign, TokenTree::Group(arguments)] = call else { continue };
            if !is_sign(Some(sign), '!') {
                continue;
            }
            let text = first_text(arguments.stream());
            let message = match name.to_string().as_str() {
                "env" | "option_env" if FOLDERS.iter().any(|folder| text.starts_with(folder)) => {
                    "a folder is compiled in: ask when the program runs (`std::env::var`, `ci::workspace`)"
                }
                // Cargo keeps the absolute path of what lies outside the package.
                "include" | "include_str" | "include_bytes" if leaves_its_folder(source.path, &text) => {
                    "a file outside the package is compiled in: read it when the program runs"
                }
                _ => continue,
            };
            findings.push(source.finding(line_of(&call[0]), message));
        }
    });
}

/// The text of a macro's first argument, when it is a plain one.
fn first_text(arguments: TokenStream) -> String {
    let first = arguments.into_iter().next().filter(|token| !is_word(Some(token), "concat"));
    first.map_or(String::new(), |token| token.to_string().trim_matches('"').to_string())
}

/// Whether `included`, seen from the file at `path`, lies below another top folder than the file itself.
fn leaves_its_folder(path: &Path, included: &str) -> bool {
    let mut place = PathBuf::new();
    for part in path.parent().unwrap_or(Path::new("")).join(included).components() {
        match part {
            Component::ParentDir => drop(place.pop()),
            part => place.push(part),
        }
    }
    place.components().next() != path.components().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_in_is_found() {
        let text = "fn f() { env!(\"CARGO_MANIFEST_DIR\"); env!(\"CARGO_PKG_VERSION\"); }\n\
                    const A: &str = include_str!(\"../../docs/a.md\");\n\
                    const B: &[u8] = include_bytes!(\"../tables/b\");\n\
                    // env!(\"CARGO_MANIFEST_DIR\")\n";
        let mut findings = Vec::new();
        check(&Source::new(Path::new("smp/tests/x.rs"), text).unwrap(), &mut findings);
        findings.sort();
        let lines: Vec<_> = findings.into_iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [1, 2]);
    }
}
