//! Pages whose contents can be checked, for the programs that are swapped.

use gatehouse_runtime::memory::PAGE_SIZE;

/// Words in a page.
pub const PAGE_WORDS: u64 = PAGE_SIZE / 8;

/// How many words of a page are noise. The rest is the same word again and again, so that a page shrinks to about a
/// quarter.
const NOISE: u64 = PAGE_WORDS / 5;

/// The word at a place of a page, by the page's number and version.
#[must_use]
pub const fn page_word(number: u64, version: u64, place: u64) -> u64 {
    let mark = number << 32 | version;
    if place < NOISE { mix(mark.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15))) } else { mark }
}

/// Spreads a number's bits over all 64: the finalizer of MurmurHash3.
const fn mix(mut value: u64) -> u64 {
    value ^= value >> 33;
    value = value.wrapping_mul(0xff51_afd7_ed55_8ccd);
    value ^= value >> 33;
    value = value.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ value >> 33
}

/// Fills the page at `address`.
///
/// # Safety
/// The page is mapped, and nobody else uses it.
pub unsafe fn write_page(address: u64, number: u64, version: u64) {
    for place in 0..PAGE_WORDS {
        // SAFETY: inside the page; the caller promises the rest.
        unsafe { (address as *mut u64).add(place as usize).write_volatile(page_word(number, version, place)) };
    }
}

/// The first place of the page at `address` that does not hold what it should, and what it holds.
///
/// # Safety
/// The page is mapped, and nobody writes to it.
#[must_use]
pub unsafe fn page_difference(address: u64, number: u64, version: u64) -> Option<(u64, u64)> {
    (0..PAGE_WORDS).find_map(|place| {
        // SAFETY: inside the page; the caller promises the rest.
        let word = unsafe { (address as *const u64).add(place as usize).read_volatile() };
        (word != page_word(number, version, place)).then_some((place, word))
    })
}

#[cfg(test)]
mod tests {
    use super::{NOISE, PAGE_WORDS, page_difference, page_word, write_page};

    #[test]
    fn pages_differ_by_number_and_version() {
        for place in [0, NOISE - 1, NOISE, PAGE_WORDS - 1] {
            assert_ne!(page_word(1, 1, place), page_word(2, 1, place));
            assert_ne!(page_word(1, 1, place), page_word(1, 2, place));
        }
    }

    #[test]
    fn a_wrong_word_is_found() {
        let mut page = [0_u64; PAGE_WORDS as usize];
        let address = page.as_mut_ptr() as u64;
        // SAFETY: the page is this function's own.
        unsafe {
            write_page(address, 3, 4);
            assert_eq!(page_difference(address, 3, 4), None);
            (address as *mut u64).add(300).write(5);
            assert_eq!(page_difference(address, 3, 4), Some((300, 5)));
        }
    }
}
