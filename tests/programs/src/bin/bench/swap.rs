//! Page faults that the kernel resolves by itself: on a page that is promised or kept as nothing but zeros, which gets a fresh
//! frame, and on one in compressed memory.

use gatehouse_runtime::abi::{SLOT_OWN_PROGRAM, SystemCall};
use gatehouse_runtime::memory::PAGE_SIZE;
use programs::raw::message::swap_out;
use programs::{PAGED_REGION, check};

use crate::plan::{Plan, WARM_UP};
use crate::samples::Samples;
use crate::timed::{self, timed};
use crate::trace;

pub(crate) const KEYS: &[&str] = &["page_fault_fresh", "swap_in_ram"];

const WORDS: usize = PAGE_SIZE as usize / size_of::<u64>();

timed!(load, "mov rax, [rax]");

/// From then on every fault of this program is looked at by the kernel first.
pub(crate) fn measure(plan: &Plan<'_>) {
    timed::call(SystemCall::MapMemory, [PAGED_REGION, PAGE_SIZE, 0, 0]);
    on_page(plan, "page_fault_fresh", |_| 0);
    // What programs keep: words that resemble each other.
    on_page(plan, "swap_in_ram", |word| word * 8);
    check!(programs::unmap_range(PAGED_REGION, PAGE_SIZE).is_ok(), "the page cannot be taken away");
}

fn on_page(plan: &Plan<'_>, key: &str, contents: fn(u64) -> u64) {
    for word in 0..WORDS {
        // SAFETY: the page is mapped, or comes back when it is touched, and nobody else uses it.
        unsafe { (PAGED_REGION as *mut u64).add(word).write_volatile(contents(word as u64)) };
    }
    let mut samples = Samples::new();
    // Tens of thousands of steps: once is enough for the host to see.
    let rounds = if plan.trace { 1 } else { plan.rounds() };
    for round in 0..WARM_UP + rounds {
        let gone = swap_out(SLOT_OWN_PROGRAM, PAGED_REGION, PAGE_SIZE);
        check!(gone == Ok(PAGE_SIZE), "{key}: the page does not go: {gone:?}");
        let marked = plan.trace && round >= WARM_UP;
        if marked {
            trace::begin(key);
        }
        let ticks = load(PAGED_REGION);
        if marked {
            trace::end();
        }
        if round >= WARM_UP {
            samples.push(ticks);
        }
    }
    if !plan.trace {
        samples.record(key, timed::user_ticks(), 1);
    }
}
