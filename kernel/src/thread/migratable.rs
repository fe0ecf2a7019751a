//! Which threads may run on several CPUs, and the board by which CPUs that have nothing to do are found: for the scheduler, which
//! places them.

use percpu::CpuIndex;
use spin::Once;

use crate::cpu;
use crate::memory::LOADED_ROOT;
use gatehouse_core::sched::placement::{Board, MigratableThreads};

/// Made once, before any thread.
static BOARD: Once<Board> = Once::new();
static MIGRATABLE: MigratableThreads = MigratableThreads::none();

/// Makes the board for so many CPUs.
pub fn install_board(cpus: usize) {
    BOARD.call_once(|| Board::new(cpus));
}

/// The board.
///
/// # Panics
/// Before it is made.
#[must_use]
pub fn board() -> &'static Board {
    let Some(board) = BOARD.get() else { unreachable!("it is made before any thread") };
    board
}

/// Whether there is a thread that may run on several CPUs.
#[must_use]
#[inline(always)]
pub fn is_any_migratable() -> bool {
    MIGRATABLE.is_any()
}

/// One more thread may run on several CPUs.
pub fn migratable_begins() {
    MIGRATABLE.one_more(BOARD.get());
}

/// One thread less may run on several CPUs.
pub fn migratable_ends() {
    MIGRATABLE.one_less();
}

/// Whether a CPU is online and has nothing to run; out of date at once.
#[must_use]
pub fn is_idle(index: CpuIndex) -> bool {
    cpu::by_index(index).is_some_and(|cpu| LOADED_ROOT.of(cpu).is_idle())
}
