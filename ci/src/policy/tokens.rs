//! A source text as tokens with line numbers, and as lines for what tokens lack: comments.

use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::finding::Finding;

/// A Rust source file.
pub(super) struct Source<'text> {
    pub(super) path: &'text Path,
    pub(super) lines: Vec<&'text str>,
    pub(super) tokens: TokenStream,
}

impl<'text> Source<'text> {
    /// Splits a text into tokens; a text that is not Rust is a finding.
    pub(super) fn new(path: &'text Path, text: &'text str) -> Result<Self, Finding> {
        let tokens = text.parse().map_err(|error| Finding::new(path, 1, format!("not Rust: {error}")))?;
        Ok(Self { path, lines: text.lines().collect(), tokens })
    }

    /// The line with this number, from 1.
    pub(super) fn line(&self, number: usize) -> &'text str {
        self.lines.get(number.wrapping_sub(1)).copied().unwrap_or_default().trim()
    }

    pub(super) fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding::new(self.path, line, message)
    }
}

/// Calls `visit` with every list of tokens, the outermost and each group's.
pub(super) fn each_list(tokens: &TokenStream, visit: &mut impl FnMut(&[TokenTree])) {
    let list: Vec<TokenTree> = tokens.clone().into_iter().collect();
    visit(&list);
    for token in &list {
        if let TokenTree::Group(group) = token {
            each_list(&group.stream(), visit);
        }
    }
}

/// Whether a token is this word.
pub(super) fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(found)) if *found == word)
}

/// Whether a token is this sign.
pub(super) fn is_sign(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == sign)
}

/// Whether a token is a group in these brackets.
pub(super) fn is_group(token: Option<&TokenTree>, delimiter: Delimiter) -> bool {
    matches!(token, Some(TokenTree::Group(found)) if found.delimiter() == delimiter)
}

/// The line on which a token starts.
pub(super) fn line_of(token: &TokenTree) -> usize {
    match token {
        TokenTree::Group(group) => group.span_open().start().line,
        other => other.span().start().line,
    }
}
