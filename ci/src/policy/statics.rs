//! No `static mut`.

use super::finding::Finding;
use super::tokens::{Source, each_list, is_sign, is_word, line_of};

pub(super) fn check(source: &Source<'_>, findings: &mut Vec<Finding>) {
    each_list(&source.tokens, &mut |list| {
        for (position, token) in list.iter().enumerate() {
            // `&'static mut T` is a type.
            let is_lifetime = position > 0 && is_sign(list.get(position - 1), '\'');
            if !is_lifetime && is_word(Some(token), "static") && is_word(list.get(position + 1), "mut") {
                findings.push(source.finding(line_of(token), "`static mut`: use an atomic, a lock or a cell"));
            }
        }
    });
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
    fn only_the_real_thing_is_found() {
        let text = "// static mut A\nstatic B: &str = \"static mut\";\nfn f() { static\nmut C: u8 = 0; }\n\
                    fn g(a: &'static mut u8) {}\n";
        assert_eq!(lines(text), [3]);
    }
}
