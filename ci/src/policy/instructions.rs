//! The ways out of the kernel, counted in the linked image.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

/// `iretq` stands twice: in the return path of threads and in that of the entries with a stack of their own.
const INTERRUPT_RETURNS: usize = 2;

/// Counts `iretq` in the kernel's ELF file and says what is wrong with the number, if something is.
///
/// # Errors
/// The file cannot be read or is no ELF file.
pub fn check_kernel(kernel: &Path) -> Result<Option<String>> {
    let bytes = fs::read(kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let places = interrupt_returns(&bytes).with_context(|| format!("cannot read {}", kernel.display()))?;
    if places.len() == INTERRUPT_RETURNS {
        return Ok(None);
    }
    let places: Vec<_> = places.iter().map(|(address, symbol)| format!("{address:#x} in {symbol}")).collect();
    Ok(Some(format!("{} iretq instead of {INTERRUPT_RETURNS}: {}", places.len(), places.join(", "))))
}

/// Address and symbol of each `iretq`.
fn interrupt_returns(bytes: &[u8]) -> Result<Vec<(u64, String)>> {
    let file = object::File::parse(bytes)?;
    let mut symbols: Vec<(u64, &str)> = file
        .symbols()
        .filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Label | SymbolKind::Unknown))
        .filter_map(|symbol| Some((symbol.address(), symbol.name().ok().filter(|name| !name.is_empty())?)))
        .collect();
    symbols.sort_unstable();
    let mut found = Vec::new();
    for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
        let (start, data) = (section.address(), section.data()?);
        let end = start + data.len() as u64;
        // Decoding starts anew at each symbol: data between functions must not shift what comes after it.
        let mut starts: Vec<u64> = symbols.iter().map(|(address, _)| *address).collect();
        starts.push(start);
        starts.retain(|address| (start..end).contains(address));
        starts.sort_unstable();
        starts.dedup();
        for (position, &from) in starts.iter().enumerate() {
            let to = starts.get(position + 1).copied().unwrap_or(end);
            let code = &data[(from - start) as usize..(to - start) as usize];
            for instruction in Decoder::with_ip(64, code, from, DecoderOptions::NONE) {
                if instruction.mnemonic() == Mnemonic::Iretq {
                    found.push((instruction.ip(), symbol_at(&symbols, instruction.ip())));
                }
            }
        }
    }
    Ok(found)
}

fn symbol_at(symbols: &[(u64, &str)], address: u64) -> String {
    let position = symbols.partition_point(|(start, _)| *start <= address);
    symbols[..position].last().map_or("no symbol", |(_, name)| name).to_string()
}

#[cfg(test)]
mod tests {
    use object::write::{Object as Writer, Symbol, SymbolSection};
    use object::{Architecture, BinaryFormat, Endianness, SymbolFlags, SymbolScope};

    use super::*;

    /// An object file with one function a piece of code.
    fn object_file(functions: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = Writer::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let section = writer.section_id(object::write::StandardSection::Text);
        for (name, code) in functions {
            let value = writer.append_section_data(section, code, 1);
            writer.add_symbol(Symbol {
                name: name.as_bytes().to_vec(),
                value,
                size: code.len() as u64,
                kind: SymbolKind::Text,
                scope: SymbolScope::Linkage,
                weak: false,
                section: SymbolSection::Section(section),
                flags: SymbolFlags::None,
            });
        }
        writer.write().unwrap()
    }

    const IRETQ: &[u8] = &[0x48, 0xcf];

    #[test]
    fn returns_are_counted_with_their_functions() {
        // The second has the bytes of iretq inside an immediate: mov eax, 0x90cf48.
        let file = object_file(&[("leave", IRETQ), ("other", &[0xb8, 0x48, 0xcf, 0x90, 0x00]), ("again", IRETQ)]);
        let names: Vec<_> = interrupt_returns(&file).unwrap().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["leave", "again"]);
    }

    #[test]
    fn one_too_many_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernel");
        fs::write(&path, object_file(&[("leave", IRETQ), ("again", IRETQ)])).unwrap();
        assert_eq!(check_kernel(&path).unwrap(), None);
        fs::write(&path, object_file(&[("leave", IRETQ), ("again", IRETQ), ("more", IRETQ)])).unwrap();
        let message = check_kernel(&path).unwrap().unwrap();
        assert!(message.starts_with("3 iretq instead of 2") && message.contains("in more"), "{message}");
    }
}
