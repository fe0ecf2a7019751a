//! What a program saw of a trap, as a record for the table of traps in the book.

use gatehouse_runtime::Kernel;
use serde::Serialize;

use crate::check;

#[derive(Serialize)]
struct Event<'a> {
    event: &'a str,
    seen: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    trap_event: Event<'a>,
}

/// Writes to the debug console what was seen of an event. Ends the program if that cannot be done.
pub fn record_trap_event(event: &str, seen: &str) {
    let mut line = [0; 256];
    match serde_json_core::to_slice(&Line { trap_event: Event { event, seen } }, &mut line) {
        Ok(length) => {
            let recorded = Kernel::record(&line[..length]);
            check!(recorded.is_ok(), "{event}: {recorded:?}");
        }
        Err(error) => crate::wrong(file!(), format_args!("{event}: the record does not fit: {error:?}")),
    }
}
