//! A program whose stack comes from a pager: it calls itself deeper and deeper, and finds on the way back what it has left in each
//! frame. Not a hazard by itself: the first program `pager` starts it, with RSP at the top of an empty region.
//!
//! Its argument: how deep.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::hint::black_box;

use gatehouse_runtime::entry;
use programs::check;

entry!(run);

/// Words that each call leaves on the stack.
const WORDS: usize = 64;

fn run(depth: u64) -> u64 {
    let deepest = descend(depth);
    check!(deepest == depth, "came back from depth {deepest}");
    0
}

#[inline(never)]
fn descend(left: u64) -> u64 {
    let mut words = [left; WORDS];
    let words = black_box(&mut words);
    let below = if left == 0 { 0 } else { descend(left - 1) + 1 };
    let words = black_box(words);
    check!(words.iter().all(|word| *word == left), "the frame {left} above the deepest has changed");
    below
}
