//! Pages go: out of the page table, out of every CPU's memory of it, into the store.

use alloc::sync::Arc;

use gatehouse_core::swap::slot_table::Contents;
use heapless::Vec;
use x86_64::VirtAddr;

use super::replacement::BATCH;
use super::store::{OwnedPage, Put, Store, put};
use crate::cpu::ThisCpu;
use crate::ipi::flush_program;
use crate::memory::address_space::{PageState, StaleFrame};
use crate::memory::{AddressSpace, Frame};
use crate::program::Program;
use crate::sync::{Mutex, rank};

/// Sends those of the pages away that are mapped; answers how many went.
///
/// No lock may be held: other CPUs are waited for.
pub fn swap_out(cpu: &ThisCpu, store: &Mutex<Store, rank::Store>, program: &Arc<Program>, pages: &[VirtAddr]) -> usize {
    let leaving = unmap(store, program, pages);
    if leaving.is_empty() {
        return 0;
    }
    let flushed = flush_program(cpu, program.root());
    let mut gone = 0;
    for (slot, stale) in leaving {
        let page = stale.page();
        // SAFETY: every CPU that runs the program has just forgotten its translations, or does before it goes back to a program, and
        // the frame goes back to where it was.
        let frame = unsafe { stale.after_flush() };
        let put = if flushed { put(cpu, store, OwnedPage { program, page }, slot, frame) } else { Put::Refused(frame) };
        match put {
            Put::Done => gone += 1,
            Put::Refused(frame) => put_back(store, program, page, slot, frame),
        }
    }
    gone
}

/// Takes the pages out of the page table. Whoever touches one from now on finds a slot that is not ready.
fn unmap(store: &Mutex<Store, rank::Store>, program: &Program, pages: &[VirtAddr]) -> Vec<(u32, StaleFrame), BATCH> {
    let mut leaving = Vec::new();
    let mut space = program.space();
    let Some(space) = space.as_mut() else { return leaving };
    program.residence().note_swapped_out();
    let mut store = store.lock();
    for page in pages.iter().take(BATCH) {
        let Some(slot) = store.take_slot() else { break };
        match space.swap_out(*page, u64::from(slot)) {
            Ok(stale) => {
                let pushed = leaving.push((slot, stale));
                assert!(pushed.is_ok(), "no more than a batch is taken");
            }
            Err(_) => store.give_slot_back(slot),
        }
    }
    leaving
}

/// A page could not be stored: it goes back to where it was, as one that is in use.
pub(super) fn put_back(store: &Mutex<Store, rank::Store>, program: &Program, page: VirtAddr, slot: u32, frame: Frame) {
    let mut space = program.space();
    let back = return_page(space.as_mut(), page, slot, frame);
    let mut store = store.lock();
    if back {
        store.give_slot_back(slot);
    } else {
        // Whoever unmapped the page releases the slot, or has done so. Nobody reads what is in it.
        let _wanted = store.stored(slot, Contents::default());
    }
}

/// Puts a frame where its page was, as one that is in use. `false` if the page is not there any more: it was unmapped, and
/// another one may be there by now. The frame is freed then.
///
/// The entry of the page table owns the slot: who takes the entry away frees the slot, and nobody else.
pub(super) fn return_page(space: Option<&mut AddressSpace>, page: VirtAddr, slot: u32, frame: Frame) -> bool {
    let Some(space) = space else { return false };
    let waits = matches!(space.page(page), PageState::SwappedOut { token, .. } if token == u64::from(slot));
    if !waits || space.swap_in(page, frame).is_err() {
        return false;
    }
    space.set_accessed(page);
    true
}
