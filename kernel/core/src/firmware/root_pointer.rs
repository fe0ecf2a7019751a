//! The root pointer (RSDP).
//!
//! Source: ACPI Specification 6.5, "Root System Description Pointer (RSDP)". A loader has found it, so an odd one is believed as far
//! as it makes sense.

use super::bytes::{PhysicalMemory, sum, u32_at, u64_at};
use super::oddity::{Oddity, Reason, Unusable};
use super::tables::Name;

/// How it begins.
const MARK: &[u8; 8] = b"RSD PTR ";
const NAME: Name = Name(*b"RSDP");
/// Bytes of the first revision, and of the later ones.
const FIRST_BYTES: usize = 20;
const BYTES: usize = 36;
const REVISION_AT: usize = 15;
/// From this revision on there is a second part.
const SECOND_REVISION: u8 = 2;
const RSDT_AT: usize = 16;
const LENGTH_AT: usize = 20;
const XSDT_AT: usize = 24;
/// With fewer bytes there is no address of an XSDT.
const LEAST_WITH_XSDT: u32 = 32;

/// Where the root tables may lie, the better one first; 0 for none.
pub(super) fn root_tables(
    memory: &impl PhysicalMemory,
    address: u64,
    tell: &mut impl FnMut(Oddity),
) -> Result<[u64; 2], Unusable> {
    let odd = |offset, reason| Oddity { table: NAME, address, offset, reason };
    let mut bytes = [0; BYTES];
    let (first, second) = bytes.split_at_mut(FIRST_BYTES);
    if !memory.read(address, first) {
        return Err(Unusable::Because(odd(0, Reason::Unreadable)));
    }
    if first[..MARK.len()] != MARK[..] {
        return Err(Unusable::Because(odd(0, Reason::Name(Name([first[0], first[1], first[2], first[3]])))));
    }
    if sum(first) != 0 {
        tell(odd(8, Reason::Sum(sum(first))));
    }
    let rsdt = u32_at(first, RSDT_AT).map_or(0, u64::from);
    if first[REVISION_AT] < SECOND_REVISION {
        return Ok([rsdt, 0]);
    }
    let second_address = address.checked_add(FIRST_BYTES as u64);
    if !second_address.is_some_and(|address| memory.read(address, second)) {
        tell(odd(LENGTH_AT as u64, Reason::Unreadable));
        return Ok([rsdt, 0]);
    }
    let xsdt = u64_at(&bytes, XSDT_AT).unwrap_or(0);
    let claimed = u32_at(&bytes, LENGTH_AT).unwrap_or(0);
    if claimed < LEAST_WITH_XSDT {
        tell(odd(LENGTH_AT as u64, Reason::Length { claimed, least: BYTES as u32, most: BYTES as u32 }));
        return Ok([rsdt, xsdt]);
    }
    // More than is known is not looked at.
    if claimed as usize == BYTES && sum(&bytes) != 0 {
        tell(odd(32, Reason::Sum(sum(&bytes))));
    }
    Ok([xsdt, rsdt])
}
