//! Making every CPU forget a translation of the kernel's half.

use spin::Once;
use x86_64::VirtAddr;

/// Makes all CPUs forget the translations of `pages` pages from an address; `false` if one may have them still.
pub type Shootdown = fn(start: VirtAddr, pages: u64) -> bool;

static SHOOTDOWN: Once<Shootdown> = Once::new();

/// Tells how translations are taken from all CPUs. To be set before a second CPU runs; until then only the calling CPU's
/// are taken. The function returns when no CPU uses them any more, or answers `false`. Counts once; later calls change nothing.
pub fn set_shootdown(shootdown: Shootdown) {
    SHOOTDOWN.call_once(|| shootdown);
}

/// Makes all CPUs forget the translations of `pages` pages from `start`; `false` if one may have them still.
#[must_use]
pub(super) fn shoot_down(start: VirtAddr, pages: u64) -> bool {
    match SHOOTDOWN.get() {
        Some(shootdown) => shootdown(start, pages),
        None => {
            flush_local(start, pages);
            true
        }
    }
}

/// Makes this CPU forget the translations of `pages` pages from `start`.
pub fn flush_local(start: VirtAddr, pages: u64) {
    #[cfg(target_os = "none")]
    for page in 0..pages {
        x86_64::instructions::tlb::flush(start + page * gatehouse_core::memory::layout::PAGE_SIZE);
    }
    // Host tests have no translations to forget: INVLPG is the kernel's alone.
    #[cfg(not(target_os = "none"))]
    let _ = (start, pages);
}
