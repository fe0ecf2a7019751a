//! Each allowed or expected lint has its reason beside it.

use proc_macro2::{Delimiter, TokenTree};

use super::finding::Finding;
use super::tokens::{Source, each_list, is_group, is_sign, is_word, line_of};

pub(super) fn check(source: &Source<'_>, findings: &mut Vec<Finding>) {
    each_list(&source.tokens, &mut |list| {
        for (position, token) in list.iter().enumerate() {
            if !is_sign(Some(token), '#') {
                continue;
            }
            // `#[…]`, `#![…]`
            let group = position + 1 + usize::from(is_sign(list.get(position + 1), '!'));
            let Some(TokenTree::Group(attribute)) = list.get(group) else { continue };
            let content = attribute.stream().to_string();
            if attribute.delimiter() != Delimiter::Bracket || !allows(attribute.stream()) || content.contains("reason")
            {
                continue;
            }
            let (first, last) = (line_of(token), attribute.span_close().start().line);
            let explained = source.line(last).contains("//") || source.line(first - 1).starts_with("//");
            if !explained {
                let message = format!("#[{content}] has no reason: add `reason = \"…\"` or a comment above");
                findings.push(source.finding(first, message));
            }
        }
    });
}

/// Whether an attribute's content holds `allow(…)` or `expect(…)`, also inside `cfg_attr`.
fn allows(attribute: proc_macro2::TokenStream) -> bool {
    let mut found = false;
    each_list(&attribute, &mut |list| {
        found |= list.windows(2).any(|pair| {
            (is_word(pair.first(), "allow") || is_word(pair.first(), "expect"))
                && is_group(pair.get(1), Delimiter::Parenthesis)
        });
    });
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        check(&Source::new(Path::new("x.rs"), text).unwrap(), &mut findings);
        findings.into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn bare_ones_are_found() {
        assert_eq!(lines("#![allow(dead_code)]\n"), [1]);
        assert_eq!(lines("mod m {\n    #[expect(dead_code)]\n    fn f() {}\n}\n"), [2]);
        assert_eq!(lines("#[cfg_attr(test, allow(dead_code))]\nfn f() {}\n"), [1]);
    }

    #[test]
    fn reasons_and_comments_are_taken() {
        assert_eq!(lines("#[allow(dead_code, reason = \"why\")]\nfn f() {}\n"), [0; 0]);
        assert_eq!(lines("// Why.\n#[allow(dead_code)]\nfn f() {}\n"), [0; 0]);
        assert_eq!(lines("#[allow(dead_code)] // why\nfn f() {}\n"), [0; 0]);
        assert_eq!(lines("#[derive(Debug)]\nstruct S;\n"), [0; 0]);
    }
}
