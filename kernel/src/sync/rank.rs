//! The order of the kernel's locks: a lock is taken only while all that the CPU holds stand before it here.
//!
//! The rank is a part of the lock's type. `docs/locks.md` has this as a table, which a test compares.

/// A place in the order.
pub use percpu::LockRank as Rank;

/// One row of the order.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it is called in reports.
    pub name: &'static str,
    /// What such a lock guards, and who wants it.
    pub what: &'static str,
}

macro_rules! ranks {
    ($($name:ident: $what:literal,)*) => {
        enum Places { $($name,)* }
        $(
            #[doc = $what]
            #[derive(Debug)]
            pub enum $name {}
            impl Rank for $name {
                const PLACE: u32 = Places::$name as u32;
            }
        )*
        /// All ranks, in order.
        pub const ALL: &[Row] = &[$(Row { name: stringify!($name), what: $what },)*];
    };
}

ranks! {
    Test: "Nothing; test hooks hold it while they fail.",
    Fillers: "What a test has filled the heap with.",
    Ending: "The list of programs that end and still have threads; whoever ends one, and every CPU that is asked to look for such threads.",
    Life: "A program's threads, children and end; whoever starts, ends, lists or waits for them.",
    Handler: "A thread's fault handler; who binds one, and who deletes the capability that it is bound to.",
    Forest: "The derivations of all capabilities; every call that makes, moves or deletes one.",
    Table: "The slots of one program's capabilities; every call that names a slot. Taken briefly by messages.",
    Cancel: "Pointers from waiting threads to what they wait for; who ends a wait from outside, and who frees what is waited for.",
    Reader: "Who is told of the console's input; the serial line's interrupt.",
    Driver: "Which notification an interrupt signals; the interrupt, its driver, and who binds or moves it. Taken briefly by interrupts.",
    Vectors: "One CPU's vectors of devices; its interrupts, and who binds or moves one. Taken briefly by interrupts.",
    IoApics: "The registers of the I/O APICs; who opens, masks or moves a line.",
    Endpoint: "The queues of one endpoint; messages and faults there, and who ends their waits. Taken briefly by messages.",
    Notification: "The bits and waiters of one notification; who signals, and who waits. Taken briefly by signals.",
    SavedReply: "The thread that a saved reply is owed to; who replies, and who ends the wait.",
    Affinity: "The CPUs on which one thread may run; who sets or reads them, and who places the thread.",
    Space: "One program's page tables; its page faults, maps and copies, and the swap clock.",
    Store: "Slots and transfers of swapped pages; who swaps, and the disk's interrupt.",
    Programs: "The list of all programs; who starts or ends one, and the swap clock.",
    Lines: "Which interrupt lines and messages are claimed; who makes or drops an interrupt.",
    Functions: "Which PCI functions are claimed; who makes or drops a device.",
    Area: "Free addresses of the kernel's half; who maps device registers or stacks.",
    Heap: "The kernel heap; whatever allocates or frees.",
    Tables: "The page tables of the kernel's half; the heap when it grows, and who maps kernel pages.",
    Pool: "Free frames; CPUs whose cache is empty or full.",
    Records: "The debug console; who writes a record.",
    Serial: "The serial line; whatever the kernel or a program prints, and the line's interrupt.",
}

// One bit each, in the word of locks that a CPU holds.
const _: () = assert!(ALL.len() <= 32);

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::string::String;
    use std::{env, format, fs};

    use super::ALL;

    const BEGIN: &str = "<!-- ranks: written by the test below kernel/src/sync/rank.rs -->\n";
    const END: &str = "<!-- end of ranks -->\n";

    #[test]
    fn the_book_has_the_order() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/locks.md");
        let page = fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let mut table = String::from("\n| | rank | guards; who wants it |\n| --- | --- | --- |\n");
        for (place, row) in ALL.iter().enumerate() {
            writeln!(table, "| {} | {} | {} |", place + 1, row.name, row.what).unwrap();
        }
        let expected = format!("{before}{BEGIN}{table}\n{END}{after}");
        if env::var_os("GATEHOUSE_BLESS").is_some() {
            fs::write(path, &expected).unwrap();
        }
        assert!(page == expected, "docs/locks.md is not as rank.rs says: GATEHOUSE_BLESS=1 writes it anew");
    }
}
