//! Reclaim: what is done when frames become scarce.
//!
//! Two marks. Below the upper one, whoever wants a frame for a program sends some pages away first. Below the lower one,
//! programs get no frames: what is left is for page tables and the kernel's heap.

use spin::Once;

use super::replacement::{BATCH, choose};
use super::store::{Store, outgoing, store};
use super::swap_out::swap_out;
use crate::cpu::ThisCpu;
use crate::memory::Frame;
use crate::memory::frame;
use crate::program::{is_pinned, list};
use crate::sync::{Mutex, rank};

/// The marks, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Below it pages go.
    upper: u64,
    /// Below it programs get no frames.
    lower: u64,
}

impl Marks {
    /// The marks for a machine with so many frames: a 32nd of them, between 1 and 8 MiB; and half of that.
    #[must_use]
    pub fn of(frames: u64) -> Self {
        let upper = (frames / 32).clamp(256, 2048);
        Self { upper, lower: upper / 2 }
    }
}

static MARKS: Once<Marks> = Once::new();

/// Sets the marks, once, before there is a store.
pub fn set_marks(marks: Marks) {
    MARKS.call_once(|| marks);
}

fn marks() -> Marks {
    MARKS.get().copied().unwrap_or(Marks { upper: 0, lower: 0 })
}

/// No frame can be had for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NothingToReclaim;

/// Whether frames are so scarce that programs should get them only for pages that they touch.
#[must_use]
pub fn is_scarce() -> bool {
    store().is_some() && frame::available() < marks().upper
}

/// Sees to it, as far as possible, that `frames` frames more than the upper mark are there. Answers whether frames are
/// scarce all the same. No lock may be held.
pub fn reclaim(cpu: &ThisCpu, frames: u64) -> bool {
    let Some(store) = store() else { return false };
    let wanted = marks().upper + frames;
    loop {
        let available = frame::available();
        if available >= wanted {
            return false;
        }
        if available + outgoing() >= wanted || free_some(cpu, store) == 0 {
            return is_scarce();
        }
    }
}

/// A frame for a page of a program. No lock may be held.
///
/// # Errors
/// [`NothingToReclaim`] when no page can be swapped out in its place.
pub fn user_frame(cpu: &ThisCpu) -> Result<Frame, NothingToReclaim> {
    let Some(store) = store() else { return Frame::allocate().map_err(|_| NothingToReclaim) };
    if frame::available() + outgoing() < marks().upper {
        free_some(cpu, store);
    }
    loop {
        let available = frame::available();
        if available >= marks().lower
            && let Ok(frame) = Frame::allocate()
        {
            return Ok(frame);
        }
        // What is on its way to the disk will do: more would go than has to.
        if available + outgoing() >= marks().upper || free_some(cpu, store) == 0 {
            return Err(NothingToReclaim);
        }
    }
}

/// After [`NothingToReclaim`]: whether it will be different in a moment, for what others have freed or are about to.
#[must_use]
pub fn is_hopeful() -> bool {
    outgoing() > 0 || frame::available() >= marks().lower
}

/// Batches that may fail as a whole before it is given up: pages that do not shrink, or a full store.
const FAILURES: u32 = 4;

/// Sends about a batch of pages away; answers how many went: 0 if none can be found that could.
fn free_some(cpu: &ThisCpu, store: &Mutex<Store, rank::Store>) -> usize {
    let (mut failures, mut turns) = (0, 0);
    // Two turns over all programs: the first may find that every page was used.
    let most_turns = 2 * list::count() + 1;
    while failures < FAILURES && turns < most_turns {
        let Some(program) = list::current() else { return 0 };
        let (victims, ended) = {
            let mut space = program.space();
            let Some(space) = space.as_mut() else {
                list::pass_on(program.number());
                turns += 1;
                continue;
            };
            let mut hand = program.residence().hand();
            let chosen = choose(space, &mut hand, is_pinned);
            program.residence().set_hand(hand);
            chosen
        };
        if ended {
            list::pass_on(program.number());
            turns += 1;
        }
        if victims.is_empty() {
            continue;
        }
        let gone = swap_out(cpu, store, &program, &victims);
        if gone > 0 {
            return gone;
        }
        failures += 1;
    }
    0
}

const _: () = assert!(BATCH as u64 * 4 < 128, "a few batches fit between the marks");
