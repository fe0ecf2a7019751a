//! Every trap from user space and from kernel space: what comes of it is what the policy says, and the table in the book
//! shows it. `GATEHOUSE_BLESS=1 cargo xtask test trap_table` writes the page anew.

mod kernel_rows;
mod page;
mod row;
mod swap_rows;
mod user_rows;

use std::fs;

use ci::workspace;

/// Where the table lies, from the top folder.
const PAGE: &str = "docs/trap-table.md";

/// Set to anything, it makes the test write the page instead of comparing it.
const BLESS: &str = "GATEHOUSE_BLESS";

#[test]
fn the_trap_table_is_what_is_seen() {
    let mut rows = user_rows::seen();
    rows.extend(swap_rows::seen());
    rows.extend(kernel_rows::seen());
    let wrong: Vec<_> = rows.iter().filter(|row| row.expected != row.seen).collect();
    assert!(wrong.is_empty(), "not as expected: {wrong:#?}");

    let page = page::made_of(&rows);
    let path = workspace::root().join(PAGE);
    if std::env::var_os(BLESS).is_some() {
        fs::write(&path, &page).unwrap_or_else(|error| panic!("{PAGE}: {error}"));
    }
    let there = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{PAGE}: {error}"));
    assert!(there == page, "{PAGE} is not what was seen; {BLESS}=1 writes it anew. Seen:\n{page}");
}
