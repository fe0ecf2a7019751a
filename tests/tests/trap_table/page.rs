//! The page of the book.

use std::fmt::Write as _;

use gatehouse_abi::TrapNumber;

use crate::kernel_rows::mnemonic;
use crate::row::{Raised, Row, Space};

const HEAD: &str = "\
# Every trap, tried

This page is written by a test: `cargo xtask test trap_table` boots the kernel for each row below, compares, and fails when
the page says otherwise. `GATEHOUSE_BLESS=1 cargo xtask test trap_table` writes it anew.

*Raised by* says what the test does: **processor** is the instruction or interrupt that raises the trap on any machine;
**stub** is for what no instruction raises here, be it by long mode or by QEMU's translator: the kernel enters the stub with
the frame that the processor would have pushed (`test-hooks`, see [testing.md](testing.md)), so that everything from
there on is tested and nothing of the processor; **copy** is for the kernel's copies of programs' memory, which go through the
page tables in software and find there what would have been a trap. The classification of all vectors with all kinds of error codes is
tested on recorded frames on the host, in `kernel/src/arch/x86_64/recorded_frames.rs`.

*Message, then shut down*: with a handler the fault arrives as a message with these words, and the handler's reply to kill,
or no handler at all, shuts the program down with the same words in its end. *Or paused*: without a handler the thread is
paused instead, and its program ends when it is killed. *Page lost*: a swapped page cannot be swapped in, and the program that
owns it is shut down with that reason ([Swapping](swap.md)).
";

/// The kinds of traps that the policy is about, in its order.
const KINDS: [(&str, &[TrapNumber]); 7] = [
    ("Unaligned access", &[TrapNumber::UNALIGNED_INSTRUCTION, TrapNumber::UNALIGNED_LOAD, TrapNumber::UNALIGNED_STORE]),
    (
        "Invalid memory access",
        &[TrapNumber::INVALID_MEMORY_EXECUTION, TrapNumber::INVALID_MEMORY_LOAD, TrapNumber::INVALID_MEMORY_STORE],
    ),
    ("Page fault", &[TrapNumber::EXECUTION_PAGE_FAULT, TrapNumber::LOAD_PAGE_FAULT, TrapNumber::STORE_PAGE_FAULT]),
    ("Unknown instruction", &[TrapNumber::UNKNOWN_INSTRUCTION]),
    ("System call", &[TrapNumber::SYSTEM_CALL]),
    ("Breakpoint", &[TrapNumber::BREAKPOINT]),
    ("IPI, timer and external device", &[TrapNumber::IPI, TrapNumber::TIMER, TrapNumber::DEVICE]),
];

/// Vectors that one side cannot raise, and why.
const IMPOSSIBLE: [(u8, Space, &str); 1] =
    [(8, Space::User, "cannot be: the processor raises it in ring 0, when it cannot enter another handler")];

/// The whole page.
pub fn made_of(rows: &[Row]) -> String {
    let mut page = String::from(HEAD);
    for (space, title) in [(Space::User, "From user space"), (Space::Kernel, "From kernel space")] {
        let _ = write!(page, "\n## {title}\n");
        for (kind, numbers) in KINDS {
            let rows = of(rows, space, |row| row.number.is_some_and(|number| numbers.contains(&number)));
            let _ = write!(page, "\n### {kind}, {}\n\n", title.to_lowercase());
            match (rows.is_empty(), kind) {
                (false, _) => table(&mut page, &rows),
                (true, "System call") => page.push_str("Does not occur: the kernel makes none.\n"),
                (true, _) => panic!("nothing shows {kind}, {title}"),
            }
        }
    }
    page.push_str("\n## The vectors 0 to 31\n");
    for vector in 0..32_u8 {
        let _ = write!(page, "\n### {vector} {}\n\n", mnemonic(vector));
        let rows: Vec<&Row> = rows.iter().filter(|row| row.vector == Some(vector)).collect();
        table(&mut page, &rows);
        for (space, side) in [(Space::User, "user"), (Space::Kernel, "kernel")] {
            if !rows.iter().any(|row| row.space == space) {
                let reason = IMPOSSIBLE.iter().find(|(other, at, _)| *other == vector && *at == space);
                let (.., reason) = reason.unwrap_or_else(|| panic!("nothing shows vector {vector} from {side} space"));
                let _ = write!(page, "\nFrom {side} space: {reason}.\n");
            }
        }
    }
    page
}

fn of(rows: &[Row], space: Space, fits: impl Fn(&Row) -> bool) -> Vec<&Row> {
    rows.iter().filter(|row| row.space == space && fits(row)).collect()
}

fn table(page: &mut String, rows: &[&Row]) {
    page.push_str(
        "| program of the test | trap | from | raised by | expected | seen |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for Row { test, trap, space, raised, expected, seen, .. } in rows {
        let from = if *space == Space::User { "user" } else { "kernel" };
        let raised = match raised {
            Raised::Processor => "processor",
            Raised::Stub => "stub",
            Raised::Copy => "copy",
        };
        let _ = writeln!(page, "| `{test}` | {trap} | {from} | {raised} | {expected} | {seen} |");
    }
}
