//! The root table, and the tables that it lists.
//!
//! Source: ACPI Specification 6.5, "System Description Table Header", "Root System Description Table (RSDT)" and "Extended System
//! Description Table (XSDT)".

use alloc::vec::Vec;
use core::fmt;
use core::mem::offset_of;

use acpi::sdt::SdtHeader;

use super::bytes::{PhysicalMemory, sum, u32_at, u64_at};
use super::oddity::{Oddity, Reason, Unusable};
use super::root_pointer;
use crate::fallible;

/// Bytes that every table begins with.
const HEADER_BYTES: usize = size_of::<SdtHeader>();
/// The most bytes of a table that is read: that of 65,000 CPUs.
const MOST_BYTES: u32 = 1 << 20;
/// The most bytes of a root table: some 2,000 tables.
const MOST_ROOT_BYTES: u32 = 16 * 1024;

/// The name of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name(pub [u8; 4]);

impl Name {
    /// CPUs and interrupt controllers.
    pub const MADT: Self = Self(*b"APIC");
    /// The machine's fixed registers.
    pub const FADT: Self = Self(*b"FACP");
    const RSDT: Self = Self(*b"RSDT");
    const XSDT: Self = Self(*b"XSDT");
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.escape_ascii(), out)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A root table that was read.
#[derive(Debug)]
struct Root {
    name: Name,
    address: u64,
    bytes: Vec<u8>,
}

impl Root {
    const fn entry_bytes(&self) -> usize {
        match self.name {
            Name::XSDT => 8,
            _ => 4,
        }
    }

    /// Offset and address of each table.
    fn entries(&self) -> impl Iterator<Item = (u64, u64)> {
        let bytes = self.entry_bytes();
        let offsets = (HEADER_BYTES..)
            .step_by(bytes)
            .take_while(move |offset| offset.checked_add(bytes).is_some_and(|end| end <= self.bytes.len()));
        offsets.filter_map(move |offset| {
            let address =
                if bytes == 8 { u64_at(&self.bytes, offset) } else { u32_at(&self.bytes, offset).map(u64::from) };
            // Some firmware clears the entries of tables that it takes back.
            address.filter(|address| *address != 0).map(|address| (offset as u64, address))
        })
    }
}

/// The firmware's tables.
#[derive(Debug)]
pub struct Tables<'memory, M> {
    memory: &'memory M,
    roots: [Option<Root>; 2],
}

impl<'memory, M: PhysicalMemory> Tables<'memory, M> {
    /// The tables that the root pointer at an address leads to. `tell` is told of what is odd.
    ///
    /// # Errors
    /// [`Unusable`] if it leads to none.
    pub fn behind(memory: &'memory M, root_pointer: u64, mut tell: impl FnMut(Oddity)) -> Result<Self, Unusable> {
        let [first, second] = root_pointer::root_tables(memory, root_pointer, &mut tell)?;
        let mut root = |address: u64| if address == 0 { None } else { read_root(memory, address, &mut tell) };
        let roots = [root(first), root(second)];
        if roots.iter().all(Option::is_none) {
            let reason = Reason::NoRootTable;
            return Err(Unusable::Because(Oddity { table: Name(*b"RSDP"), address: root_pointer, offset: 16, reason }));
        }
        Ok(Self { memory, roots })
    }

    /// The first table of a name that its reader takes. Where there are several, one whose bytes add up to 0 is preferred. `use_it`
    /// reads the bytes that the table says it has, its header included.
    ///
    /// # Errors
    /// [`Unusable`] if there is none.
    pub fn find<T, E: fmt::Display>(
        &self,
        name: Name,
        mut use_it: impl FnMut(&[u8]) -> Result<T, E>,
        mut tell: impl FnMut(Oddity),
        mut tell_refusal: impl FnMut(u64, E),
    ) -> Result<T, Unusable> {
        let mut second_best = None;
        let mut refused = 0_u32;
        for root in self.roots.iter().flatten() {
            let (mut dead, mut first_dead) = (0_u32, 0);
            for (offset, address) in root.entries() {
                let mut header = [0; HEADER_BYTES];
                if !self.memory.read(address, &mut header) {
                    first_dead = if dead == 0 { offset } else { first_dead };
                    dead = dead.saturating_add(1);
                    continue;
                }
                if header[..4] != name.0 {
                    continue;
                }
                let Some(bytes) = read_table(self.memory, name, address, &header, MOST_BYTES, &mut tell) else {
                    refused = refused.saturating_add(1);
                    continue;
                };
                let sum = sum(&bytes);
                if sum != 0 && second_best.is_some() {
                    continue;
                }
                match use_it(&bytes) {
                    Ok(read) if sum == 0 => return Ok(read),
                    Ok(read) => {
                        let offset = offset_of!(SdtHeader, checksum) as u64;
                        second_best = Some((read, Oddity { table: name, address, offset, reason: Reason::Sum(sum) }));
                    }
                    Err(error) => {
                        refused = refused.saturating_add(1);
                        tell_refusal(address, error);
                    }
                }
            }
            if dead != 0 {
                let reason = Reason::DeadEntries(dead);
                tell(Oddity { table: root.name, address: root.address, offset: first_dead, reason });
            }
            if second_best.is_some() {
                break;
            }
        }
        match second_best {
            Some((read, oddity)) => {
                tell(oddity);
                Ok(read)
            }
            None if refused == 0 => Err(Unusable::Missing(name)),
            None => Err(Unusable::Odd(name, refused)),
        }
    }
}

/// Reads a root table of either kind: which it is, its name says, and not who led to it.
fn read_root(memory: &impl PhysicalMemory, address: u64, tell: &mut impl FnMut(Oddity)) -> Option<Root> {
    let mut header = [0; HEADER_BYTES];
    let table = Name(*b"XSDT");
    if !memory.read(address, &mut header) {
        tell(Oddity { table, address, offset: 0, reason: Reason::Unreadable });
        return None;
    }
    let name = Name([header[0], header[1], header[2], header[3]]);
    if name != Name::XSDT && name != Name::RSDT {
        tell(Oddity { table, address, offset: 0, reason: Reason::Name(name) });
        return None;
    }
    let bytes = read_table(memory, name, address, &header, MOST_ROOT_BYTES, tell)?;
    let odd = |offset: usize, reason| Oddity { table: name, address, offset: offset as u64, reason };
    if sum(&bytes) != 0 {
        tell(odd(offset_of!(SdtHeader, checksum), Reason::Sum(sum(&bytes))));
    }
    let root = Root { name, address, bytes };
    let entries = root.bytes.get(HEADER_BYTES..).unwrap_or_default();
    let remainder = entries.chunks_exact(root.entry_bytes()).remainder().len();
    if remainder != 0 {
        tell(odd(root.bytes.len().saturating_sub(remainder), Reason::Remainder(remainder as u32)));
    }
    Some(root)
}

/// Reads as many bytes as a table's header says.
fn read_table(
    memory: &impl PhysicalMemory,
    table: Name,
    address: u64,
    header: &[u8; HEADER_BYTES],
    most: u32,
    tell: &mut impl FnMut(Oddity),
) -> Option<Vec<u8>> {
    let at = offset_of!(SdtHeader, length);
    let claimed = u32_at(header, at).unwrap_or(0);
    let least = HEADER_BYTES as u32;
    if !(least..=most).contains(&claimed) {
        tell(Oddity { table, address, offset: at as u64, reason: Reason::Length { claimed, least, most } });
        return None;
    }
    let mut bytes = fallible::filled(0, claimed as usize).ok()?;
    if !memory.read(address, &mut bytes) {
        tell(Oddity { table, address, offset: u64::from(least), reason: Reason::Unreadable });
        return None;
    }
    // It was read twice; what was checked counts.
    bytes[..HEADER_BYTES].copy_from_slice(header);
    Some(bytes)
}
