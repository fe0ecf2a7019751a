//! Names for addresses of an ELF file: symbols, and lines with what was inlined there.

use std::fs;
use std::path::Path;

use addr2line::Loader;
use anyhow::{Context, Result};
use object::{Object, ObjectSymbol, SymbolKind};

/// Function names and lines of an ELF file.
pub struct Symbols {
    /// By address: start, end (0: open), name.
    functions: Vec<(u64, u64, String)>,
    labels: Vec<(u64, String)>,
    /// By address: start, end, name.
    objects: Vec<(u64, u64, String)>,
    lines: Loader,
}

impl std::fmt::Debug for Symbols {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Symbols({} functions)", self.functions.len())
    }
}

/// Where in the source an instruction comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The function whose source it is, perhaps inlined.
    pub function: String,
    /// `file:line`, the file without its folders.
    pub line: String,
}

impl Symbols {
    /// Reads a file's symbols.
    ///
    /// # Errors
    /// It cannot be read, or is no ELF file.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let object = object::File::parse(bytes.as_slice())
            .with_context(|| format!("{} is no ELF file that can be read", file.display()))?;
        let (mut functions, mut labels, mut objects) = (Vec::new(), Vec::new(), Vec::new());
        for symbol in object.symbols().filter(ObjectSymbol::is_definition) {
            let name = short(&format!("{:#}", rustc_demangle::demangle(symbol.name().unwrap_or_default())));
            match symbol.kind() {
                SymbolKind::Text if symbol.size() > 0 => {
                    functions.push((symbol.address(), symbol.address() + symbol.size(), name));
                }
                SymbolKind::Text | SymbolKind::Label | SymbolKind::Unknown => labels.push((symbol.address(), name)),
                SymbolKind::Data => objects.push((symbol.address(), symbol.address() + symbol.size(), name)),
                _ => {}
            }
        }
        functions.sort();
        labels.sort();
        objects.sort();
        let lines = Loader::new(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
        Ok(Self { functions, labels, objects, lines })
    }

    /// The address of a symbol with exactly this name.
    pub fn address(&self, name: &str) -> Option<u64> {
        let functions = self.functions.iter().map(|(address, _, name)| (address, name));
        let mut all = functions.chain(self.labels.iter().map(|(address, name)| (address, name)));
        all.find_map(|(address, found)| (found == name).then_some(*address))
    }

    /// The function, not inlined, that an address lies in; for assembly without functions, the label before it.
    pub fn function(&self, address: u64) -> &str {
        let before = self.functions.partition_point(|(start, ..)| *start <= address);
        if let Some((_, end, name)) = before.checked_sub(1).map(|index| &self.functions[index])
            && address < *end
        {
            return name;
        }
        let before = self.labels.partition_point(|(start, _)| *start <= address);
        before.checked_sub(1).map_or("?", |index| &self.labels[index].1)
    }

    /// The static that the cache line or word at an address lies in, or begins in.
    pub fn data(&self, address: u64) -> Option<&str> {
        let line = address..address + super::instruction::LINE_BYTES;
        let found = self.objects.iter().find(|(start, end, _)| *start < line.end && *end > line.start);
        found.map(|(.., name)| name.as_str())
    }

    /// What the compiler says of the instruction at an address.
    pub fn source(&self, address: u64) -> Source {
        let mut source = Source { function: self.function(address).into(), line: String::new() };
        let Ok(mut frames) = self.lines.find_frames(address) else { return source };
        // The first frame is the innermost.
        if let Ok(Some(frame)) = frames.next() {
            if let Some(name) = frame.function.and_then(|name| name.demangle().map(|name| short(&name)).ok()) {
                source.function = name;
            }
            if let Some(location) = frame.location
                && let (Some(file), Some(line)) = (location.file, location.line)
            {
                source.line = format!("{}:{line}", file.rsplit('/').next().unwrap_or(file));
            }
        }
        source
    }
}

/// A name without the hash, and without the paths of types and modules but for the last two.
fn short(name: &str) -> String {
    let mut shortened = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, shortened: &mut String| {
        let parts: Vec<&str> = word.split("::").collect();
        shortened.push_str(&parts[parts.len().saturating_sub(2)..].join("::"));
        word.clear();
    };
    for character in name.chars() {
        if character.is_alphanumeric() || matches!(character, '_' | ':' | '{' | '}' | '#') {
            word.push(character);
        } else {
            flush(&mut word, &mut shortened);
            shortened.push(character);
        }
    }
    flush(&mut word, &mut shortened);
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_paths() {
        assert_eq!(short("gatehouse::ipc::reply::reply_receive"), "reply::reply_receive");
        assert_eq!(short("main"), "main");
        assert_eq!(short("<a::b::C as d::e::F>::call"), "<b::C as e::F>::call");
    }

    #[test]
    fn this_program_has_names() {
        let symbols = Symbols::read(&std::env::current_exe().unwrap()).unwrap();
        assert!(!symbols.functions.is_empty());
        let (start, _, name) = &symbols.functions[0];
        assert_eq!(symbols.function(*start), name);
        assert_eq!(symbols.address("no such symbol"), None);
    }
}
