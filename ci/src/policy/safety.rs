//! Each `unsafe` block and `unsafe impl` has its `// SAFETY:`, each `unsafe fn` its `# Safety` section.
//!
//! Clippy sees only what is compiled for the host; this rule reads the code of the kernel's target too.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::finding::Finding;
use super::tokens::{Source, is_group, is_sign, is_word, line_of};

/// A statement may start this many lines above its `unsafe`.
const STATEMENT_LINES: usize = 12;

pub(super) fn check(source: &Source<'_>, findings: &mut Vec<Finding>) {
    walk(source, &source.tokens, false, findings);
}

/// `foreign` says that functions here are documented elsewhere: at their trait, or where they are defined.
fn walk(source: &Source<'_>, tokens: &TokenStream, foreign: bool, findings: &mut Vec<Finding>) {
    let list: Vec<TokenTree> = tokens.clone().into_iter().collect();
    // The first token of the item or statement that the walk is in.
    let mut start = 0;
    for (position, token) in list.iter().enumerate() {
        if is_word(Some(token), "unsafe") {
            check_unsafe(source, &list[position..], foreign, findings);
        }
        if let TokenTree::Group(group) = token {
            let braces = group.delimiter() == Delimiter::Brace;
            walk(source, &group.stream(), braces && is_foreign(&list[start..position]), findings);
            if braces {
                start = position + 1;
            }
        } else if is_sign(Some(token), ';') {
            start = position + 1;
        }
    }
}

/// Whether the tokens before a pair of braces are those of `impl Trait for Type` or `extern "C"`.
fn is_foreign(head: &[TokenTree]) -> bool {
    let for_position = head.iter().position(|token| is_word(Some(token), "for"));
    // `for<'a>` is a bound.
    let has_trait = for_position.is_some_and(|position| !is_sign(head.get(position + 1), '<'));
    let has_impl = head.iter().any(|token| is_word(Some(token), "impl"));
    let has_function = head.iter().any(|token| is_word(Some(token), "fn"));
    let has_extern = head.iter().any(|token| is_word(Some(token), "extern"));
    (has_impl && has_trait && !has_function) || (has_extern && !has_function)
}

fn check_unsafe(source: &Source<'_>, list: &[TokenTree], foreign: bool, findings: &mut Vec<Finding>) {
    let line = line_of(&list[0]);
    let next = list.get(1);
    if is_group(next, Delimiter::Brace) || is_word(next, "impl") {
        if !has_safety_comment(source, line) {
            findings.push(source.finding(line, "`unsafe` without a `// SAFETY:` comment above it"));
        }
        return;
    }
    // `unsafe fn name`, `unsafe extern "C" fn name`; without a name it is a type.
    let function = list.iter().take(5).position(|token| is_word(Some(token), "fn"));
    let named = function.is_some_and(|position| matches!(list.get(position + 1), Some(TokenTree::Ident(_))));
    if named && !foreign && !has_safety_section(source, line) {
        findings.push(source.finding(line, "`unsafe fn` without a `# Safety` section in its documentation"));
    }
}

/// Looks on the line itself, then up through the statement's lines and the comment above it.
fn has_safety_comment(source: &Source<'_>, line: usize) -> bool {
    let holds = |text: &str| text.split_once("//").is_some_and(|(_, comment)| comment.contains("SAFETY:"));
    if holds(source.line(line)) {
        return true;
    }
    let mut code_lines = 0;
    for above in (1..line).rev() {
        let text = source.line(above);
        if holds(text) {
            return true;
        }
        if text.starts_with("//") || text.starts_with("#[") {
            continue;
        }
        code_lines += 1;
        if text.is_empty() || text.ends_with([';', '{', '}']) || code_lines > STATEMENT_LINES {
            return false;
        }
    }
    false
}

fn has_safety_section(source: &Source<'_>, line: usize) -> bool {
    let above = (1..line).rev().map(|number| source.line(number));
    // Attributes may take several lines; blank lines and code end the search.
    let head = above.take_while(|text| !text.is_empty() && !text.ends_with([';', '{', '}']));
    head.into_iter().any(|text| text.starts_with("///") && text.contains("# Safety"))
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
    fn undocumented_blocks_are_found() {
        assert_eq!(lines("fn f() {\n    unsafe { g() }\n}\n"), [2]);
        assert_eq!(lines("fn f() {\n    // Fine.\n    let x = unsafe { g() };\n}\n"), [3]);
        assert_eq!(lines("fn f() {\n    // SAFETY: one.\n    unsafe { g() };\n    unsafe { g() };\n}\n"), [4]);
        assert_eq!(lines("unsafe impl Send for X {}\n"), [1]);
        assert_eq!(lines("fn f() { g(unsafe { \"// SAFETY: no\" }) }\n").len(), 0, "a known gap: a string on the line");
    }

    #[test]
    fn documented_blocks_are_not() {
        assert!(lines("fn f() {\n    // SAFETY: so.\n    unsafe { g() }\n}\n").is_empty());
        assert!(
            lines("fn f() {\n    // SAFETY: long\n    // story.\n    let x =\n        unsafe { g() };\n}\n").is_empty()
        );
        assert!(lines("// SAFETY: so.\n#[cfg(a)]\nunsafe impl Send for X {}\n").is_empty());
        assert!(lines("// unsafe { }\nconst S: &str = \"unsafe { }\";\n").is_empty());
    }

    #[test]
    fn functions_need_a_section() {
        assert_eq!(lines("/// Does.\npub unsafe fn f() {}\n"), [2]);
        assert_eq!(lines("unsafe extern \"C\" fn f() {}\n"), [1]);
        assert!(lines("/// Does.\n///\n/// # Safety\n/// So.\n#[inline]\npub unsafe fn f() {}\n").is_empty());
        assert!(lines("type F = unsafe fn(u8);\n").is_empty());
    }

    #[test]
    fn functions_of_traits_and_foreign_ones_are_documented_elsewhere() {
        assert!(lines("impl A for B {\n    unsafe fn f() {}\n}\n").is_empty());
        assert_eq!(lines("impl B {\n    unsafe fn f() {}\n}\n"), [2]);
        assert_eq!(lines("impl<F: for<'a> Fn(&'a u8)> B<F> {\n    unsafe fn f() {}\n}\n"), [2]);
    }
}
