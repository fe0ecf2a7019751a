//! All programs, in turn: whose pages go next.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use super::Program;
use crate::memory::fallible;
use crate::sync::{Mutex, rank};

/// All programs, and whose turn it is.
struct Programs {
    list: Vec<(u64, Weak<Program>)>,
    turn: usize,
}

static PROGRAMS: Mutex<Programs, rank::Programs> = Mutex::new(Programs { list: Vec::new(), turn: 0 });

/// Takes a program in; `false` if the heap has no room for it.
#[must_use]
pub fn add(program: &Arc<Program>) -> bool {
    let list = &mut PROGRAMS.lock().list;
    // No more than that, as the list shrinks with every program that is gone.
    let room = fallible::reserve_exact(list, 1);
    room.and_then(|()| fallible::push(list, (program.number(), Arc::downgrade(program)))).is_ok()
}

/// A program is gone. The list shrinks with it, so that nothing stays behind in the heap.
pub fn remove(number: u64) {
    let mut programs = PROGRAMS.lock();
    let Some(index) = programs.list.iter().position(|(other, _)| *other == number) else { return };
    let gone = programs.list.remove(index);
    programs.list.shrink_to_fit();
    if programs.turn > index {
        programs.turn -= 1;
    }
    drop(programs);
    drop(gone);
}

/// How many there are.
#[must_use]
pub fn count() -> usize {
    PROGRAMS.lock().list.len()
}

/// Calls `each` with every program; `false` if the list is locked. For reports: it waits for nothing.
pub fn for_each_if_free(mut each: impl FnMut(&Program)) -> bool {
    let Some(programs) = PROGRAMS.try_lock() else { return false };
    programs.list.iter().filter_map(|(_, program)| program.upgrade()).for_each(|program| each(&program));
    true
}

/// The program whose turn it is.
#[must_use]
pub fn current() -> Option<Arc<Program>> {
    let mut programs = PROGRAMS.lock();
    let count = programs.list.len();
    for _ in 0..count {
        let turn = programs.turn % count;
        programs.turn = turn;
        if let Some(program) = programs.list[turn].1.upgrade() {
            return Some(program);
        }
        programs.turn += 1;
    }
    None
}

/// The clock has gone round over the pages of this program: it is the next one's turn, unless that is so already.
pub fn pass_on(number: u64) {
    let mut programs = PROGRAMS.lock();
    if programs.list.get(programs.turn).is_some_and(|(current, _)| *current == number) {
        programs.turn += 1;
    }
}
