//! What a file names of other modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{SOURCES, VECTORS, module_path};
use crate::policy::tokens::{Source, is_group, is_sign, is_word, line_of};

/// What the crate's root knows, and what is not to be named everywhere.
pub(super) struct Names {
    /// The modules.
    pub(super) modules: BTreeSet<String>,
    /// What the root re-exports, with the module that it comes from.
    exported: BTreeMap<String, String>,
    /// The constants of the vectors.
    vectors: BTreeSet<String>,
}

/// Something named that is another module's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A module of the crate.
    Module(String),
    /// A vector or the private module of the processor, by its path.
    Processor(String),
    /// A register of the processor, by its path.
    Register(String),
    /// Something at the root that no module has.
    Unknown(String),
}

/// A path in its parts, and the line on which its last one is.
type PathAt = (Vec<String>, usize);

impl Names {
    pub(super) fn new(files: &BTreeMap<PathBuf, String>) -> Self {
        let modules = files.keys().filter_map(|path| module_path(path)?.into_iter().next()).collect();
        let text = |path: &str| files.get(Path::new(path)).map_or("", String::as_str);
        let constant = |line: &str| Some(line.strip_prefix("pub const ")?.split_once(':')?.0.to_string());
        let vectors = text(VECTORS).lines().filter_map(constant).collect();
        let mut names = Self { modules, exported: BTreeMap::new(), vectors };
        let root: TokenStream = text(&format!("{SOURCES}/lib.rs")).parse().unwrap_or_default();
        let root: Vec<TokenTree> = root.into_iter().collect();
        for at in 0..root.len() {
            if is_word(root.get(at), "use") {
                for (path, _) in expand(&root, at + 1) {
                    let module = path.iter().find(|part| *part != "crate" && *part != "self");
                    if let (Some(name), Some(module)) =
                        (path.last(), module.filter(|part| names.modules.contains(*part)))
                    {
                        names.exported.insert(name.clone(), module.clone());
                    }
                }
            }
        }
        names
    }

    /// What the file at `depth` modules below the root names, with lines.
    pub(super) fn named(&self, source: &Source<'_>, depth: usize) -> Vec<(Named, usize)> {
        let mut found = Vec::new();
        self.walk(&source.tokens, depth, &mut found);
        found
    }

    fn walk(&self, tokens: &TokenStream, depth: usize, found: &mut Vec<(Named, usize)>) {
        let list: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let mut of_test = false;
        for at in 0..list.len() {
            if is_path_start(&list, at) {
                self.look_at(&list, at, depth, found);
            }
            match &list[at] {
                TokenTree::Group(_) if is_test_attribute(&list, at) => of_test = true,
                TokenTree::Group(group) => {
                    let is_module = at >= 2
                        && group.delimiter() == Delimiter::Brace
                        && is_word(list.get(at - 2), "mod")
                        && matches!(list[at - 1], TokenTree::Ident(_));
                    if !(is_module && of_test) {
                        self.walk(&group.stream(), depth + usize::from(is_module), found);
                    }
                    of_test &= group.delimiter() != Delimiter::Brace;
                }
                token => of_test &= !is_sign(Some(token), ';'),
            }
        }
    }

    /// The path that begins here.
    fn look_at(&self, list: &[TokenTree], at: usize, depth: usize, found: &mut Vec<(Named, usize)>) {
        for (path, line) in expand(list, at) {
            let up = path.iter().take_while(|part| *part == "super").count();
            let inner = match path.first().map(String::as_str) {
                Some("crate") => &path[1..],
                Some("super") if up == depth => &path[up..],
                Some("arch") => {
                    found.extend(self.of_processor(&path).map(|named| (named, line)));
                    continue;
                }
                Some("x86_64") if path.get(1).is_some_and(|part| part == "registers") => {
                    found.push((Named::Register(path.join("::")), line));
                    continue;
                }
                _ => continue,
            };
            let Some(first) = inner.first() else { continue };
            let named = match self.exported.get(first) {
                _ if self.modules.contains(first) => Named::Module(first.clone()),
                Some(module) => Named::Module(module.clone()),
                None => Named::Unknown(first.clone()),
            };
            found.push((named, line));
            if first == "arch" {
                found.extend(self.of_processor(inner).map(|named| (named, line)));
            }
        }
    }

    /// Whether a path into `arch` names a vector, or what is behind the names of `arch`.
    fn of_processor(&self, path: &[String]) -> Option<Named> {
        let inner = path.get(1)?;
        let is_it = matches!(inner.as_str(), "x86_64" | "vectors" | "vector" | "*") || self.vectors.contains(inner);
        is_it.then(|| Named::Processor(path.join("::")))
    }
}

/// Whether a path begins with this token that leads out of the module.
fn is_path_start(list: &[TokenTree], at: usize) -> bool {
    let follows_path = at >= 2 && is_sign(list.get(at - 1), ':') && is_sign(list.get(at - 2), ':');
    let begins = ["crate", "super", "arch", "x86_64"].iter().any(|word| is_word(list.get(at), word));
    begins && !follows_path && is_sign(list.get(at + 1), ':') && is_sign(list.get(at + 2), ':')
}

/// Whether this group is the attribute of something that only tests have.
fn is_test_attribute(list: &[TokenTree], at: usize) -> bool {
    let Some(TokenTree::Group(group)) = list.get(at) else { return false };
    let text: String = group.stream().to_string().split_whitespace().collect();
    at > 0 && is_sign(list.get(at - 1), '#') && matches!(text.as_str(), "cfg(test)" | "cfg(all(loom,test))")
}

/// The path that begins at a token; where it ends in braces, one for each that they hold.
fn expand(list: &[TokenTree], at: usize) -> Vec<PathAt> {
    let Some(token) = list.get(at) else { return Vec::new() };
    let line = line_of(token);
    match token {
        TokenTree::Ident(name) => {
            let name = name.to_string();
            let goes_on = is_sign(list.get(at + 1), ':') && is_sign(list.get(at + 2), ':');
            let rest = if goes_on { expand(list, at + 3) } else { Vec::new() };
            if rest.is_empty() {
                return vec![(vec![name], line)];
            }
            rest.into_iter().map(|(path, line)| ([vec![name.clone()], path].concat(), line)).collect()
        }
        TokenTree::Group(group) if is_group(Some(token), Delimiter::Brace) => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner.split(|token| is_sign(Some(token), ',')).flat_map(|part| expand(part, 0)).collect()
        }
        TokenTree::Punct(sign) if sign.as_char() == '*' => vec![(vec!["*".to_string()], line)],
        _ => Vec::new(),
    }
}
