//! A program that shares an image with others until it writes: two threads on two CPUs load and store in the same pages at the
//! same time, each in words of its own. Afterwards each word must be what this program has stored last, or what the image
//! has. Then it gives the pages back and begins again. Not a hazard by itself: the first program `pager` starts it.
//!
//! Its argument: rounds in bits 0..=31, its number in bits 32..=63.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry};
use programs::{IMAGE_PAGES, IMAGE_REGION, check, cpus, image_word, unmap_range, wrong};

entry!(run);

const THREADS: u64 = 2;
const WORDS: u64 = PAGE_SIZE / 8;
/// Pages of each part.
const PART: u64 = IMAGE_PAGES / 3;

/// What the stores of this round are made of.
static MARK: AtomicU64 = AtomicU64::new(0);

fn run(argument: u64) -> u64 {
    let (rounds, number) = (argument & 0xffff_ffff, argument >> 32);
    let other_cpu = (Kernel::cpu_number() + 1) % cpus();
    for round in 0..rounds {
        MARK.store((number << 16 | round) << 16, Ordering::Relaxed);
        match Thread::spawn(visit, 1, other_cpu) {
            Ok(other) => {
                visit(0);
                check!(other.join(120 * SECOND) == Some(0), "the other thread does not end");
            }
            Err(error) => wrong(file!(), format_args!("no other thread: {error:?}")),
        }
        (0..IMAGE_PAGES).for_each(|page| every_word_is_right(page, round));
        let freed = unmap_range(IMAGE_REGION, IMAGE_PAGES * PAGE_SIZE);
        check!(freed == Ok(IMAGE_PAGES * PAGE_SIZE), "{freed:?}");
    }
    0
}

/// A word of the image. Atomic, since both threads use the page.
fn word(page: u64, index: u64) -> &'static AtomicU64 {
    // SAFETY: the pager backs the page; where the program may not write it is told by a fault, and gets a copy.
    unsafe { &*((IMAGE_REGION + page * PAGE_SIZE + index * 8) as *const AtomicU64) }
}

/// What a thread stores in a page: not what the image has there, whose upper half is small.
fn mark(thread: u64, page: u64) -> u64 {
    1 << 63 | MARK.load(Ordering::Relaxed) << 8 | page << 1 | thread
}

fn visit(thread: u64) -> u64 {
    for page in 0..IMAGE_PAGES {
        if page / PART != 1 {
            // A word that neither thread writes.
            let seen = word(page, WORDS - 1 - thread).load(Ordering::Relaxed);
            check!(seen == image_word(page, WORDS - 1 - thread), "page {page} begins as {seen:#x}");
        }
        if page / PART != 2 {
            word(page, thread).store(mark(thread, page), Ordering::Relaxed);
        }
    }
    0
}

fn every_word_is_right(page: u64, round: u64) {
    for index in 0..WORDS {
        let is_stored = index < THREADS && page / PART != 2;
        let expected = if is_stored { mark(index, page) } else { image_word(page, index) };
        let seen = word(page, index).load(Ordering::Relaxed);
        check!(seen == expected, "round {round}, page {page}, word {index}: {seen:#x}, not {expected:#x}");
    }
}
