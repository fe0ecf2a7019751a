//! Function names for the kernel's own backtraces: made from the linked image, put into the space that it keeps for them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use gatehouse_symbols::{Symbol, build};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

/// The section that the linker script keeps for the table.
const SECTION: &str = ".symbols";

/// Writes the table of the kernel's functions into the kernel's file. Does nothing when it is there already.
///
/// # Errors
/// The file cannot be read or written, has no space for a table, or too little.
pub fn embed(kernel: &Path) -> Result<()> {
    let bytes = fs::read(kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    let (offset, table) = table_for(&bytes).with_context(|| kernel.display().to_string())?;
    let place = offset as usize..offset as usize + table.len();
    if bytes.get(place) == Some(table.as_slice()) {
        return Ok(());
    }
    // In place: the file keeps its identity, and whoever reads it meanwhile sees the same code.
    let file = OpenOptions::new().write(true).open(kernel);
    file.and_then(|file| file.write_all_at(&table, offset))
        .with_context(|| format!("cannot write the table of symbols into {}", kernel.display()))
}

/// Where the table belongs in the file, and the table.
fn table_for(bytes: &[u8]) -> Result<(u64, Vec<u8>)> {
    let file = object::File::parse(bytes)?;
    let section = file.section_by_name(SECTION).with_context(|| format!("no section {SECTION}"))?;
    let (offset, space) = section.file_range().with_context(|| format!("the section {SECTION} has no bytes"))?;
    let text: Vec<_> = file.sections().filter(|section| section.kind() == SectionKind::Text).collect();
    let in_text = |address| text.iter().any(|text| (text.address()..text.address() + text.size()).contains(&address));
    let symbols = file
        .symbols()
        .filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Label | SymbolKind::Unknown))
        .filter(|symbol| in_text(symbol.address()))
        .filter_map(|symbol| {
            let name = symbol.name().ok().filter(|name| !name.is_empty() && !name.starts_with(".L"))?;
            let name = format!("{:#}", rustc_demangle::demangle(name));
            Some(Symbol { address: symbol.address(), size: symbol.size(), name })
        });
    let table = build(symbols.collect());
    if table.len() as u64 > space {
        bail!(
            "the table of symbols has {} bytes and the section {SECTION} {space}: enlarge SYMBOL_BYTES in \
             kernel/src/lockdown/symbols.rs",
            table.len()
        );
    }
    Ok((offset, table))
}

#[cfg(test)]
mod tests {
    use gatehouse_symbols::SymbolTable;
    use object::write::{Object as Writer, StandardSection, SymbolSection};
    use object::{Architecture, BinaryFormat, Endianness, SymbolFlags, SymbolScope};

    use super::*;

    /// An object file with one function, and space for a table.
    fn object_file(space: usize) -> Vec<u8> {
        let mut writer = Writer::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let text = writer.section_id(StandardSection::Text);
        let value = writer.append_section_data(text, &[0x90; 8], 1);
        writer.add_symbol(object::write::Symbol {
            name: b"_ZN9gatehouse5sched4pick17h0123456789abcdefE".to_vec(),
            value,
            size: 8,
            kind: SymbolKind::Text,
            scope: SymbolScope::Linkage,
            weak: false,
            section: SymbolSection::Section(text),
            flags: SymbolFlags::None,
        });
        let section = writer.add_section(vec![], SECTION.into(), SectionKind::ReadOnlyData);
        writer.append_section_data(section, &vec![0; space], 8);
        writer.write().unwrap()
    }

    #[test]
    fn the_table_is_put_into_its_section() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernel");
        fs::write(&path, object_file(4096)).unwrap();
        embed(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let section = file.section_by_name(SECTION).unwrap().data().unwrap();
        let table = SymbolTable::parse(section).unwrap();
        assert_eq!(table.find(3).map(|found| (found.name, found.offset)), Some(("gatehouse::sched::pick", 3)));
        embed(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes, "a second time changes nothing");
    }

    #[test]
    fn too_little_space_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernel");
        fs::write(&path, object_file(16)).unwrap();
        let message = format!("{:#}", embed(&path).unwrap_err());
        assert!(message.contains("SYMBOL_BYTES") && message.contains(".symbols 16"), "{message}");
    }
}
