//! The order of the kernel's locks: a lock is taken only while all that the CPU holds stand before it here.
//!
//! The rank is a part of the lock's type. `docs/locks.md` has this as a table, which a test compares.

use percpu::LockRank;

use super::fair::FairLock;
use super::held::not_highest;
use super::raw::Lock;
use super::unfair::UnfairLock;

/// A place in the order, and the kind of lock there.
pub trait Rank: LockRank {
    /// Fair, but where a fast path takes it briefly.
    type Lock: Lock;
}

/// One row of the order.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it is called in reports.
    pub name: &'static str,
    /// Its kind.
    pub lock: &'static str,
    /// What such a lock guards, and who wants it.
    pub what: &'static str,
}

macro_rules! ranks {
    ($($name:ident $lock:ident: $what:literal,)*) => {
        enum Places { $($name,)* }
        $(
            #[doc = $what]
            #[derive(Debug)]
            pub enum $name {}
            impl LockRank for $name {
                const PLACE: u32 = Places::$name as u32;

                extern "C" fn not_highest() {
                    not_highest(Self::PLACE);
                }
            }
            impl Rank for $name {
                type Lock = $lock;
            }
        )*
        /// All ranks, in order.
        pub const ALL: &[Row] = &[$(Row { name: stringify!($name), lock: stringify!($lock), what: $what },)*];
    };
}

ranks! {
    Test FairLock: "Nothing; test hooks hold it while they fail.",
    Fillers FairLock: "What a test has filled the heap with.",
    Ending FairLock: "The list of programs that end and still have threads; whoever ends one, and every CPU that is asked to look for such threads.",
    Life FairLock: "A program's threads, children and end; whoever starts, ends, lists or waits for them.",
    Handler FairLock: "A thread's fault handler; who binds one, and who deletes the capability that it is bound to.",
    Forest FairLock: "The derivations of all capabilities; every call that makes, moves or deletes one.",
    Table UnfairLock: "The slots of one program's capabilities; every call that names a slot. Taken briefly by messages.",
    Cancel FairLock: "Pointers from waiting threads to what they wait for; who ends a wait from outside, and who frees what is waited for.",
    Reader FairLock: "Who is told of the console's input; the serial line's interrupt.",
    Driver UnfairLock: "Which notification an interrupt signals; the interrupt, its driver, and who binds or moves it. Taken briefly by interrupts.",
    Vectors UnfairLock: "One CPU's vectors of devices; its interrupts, and who binds or moves one. Taken briefly by interrupts.",
    IoApics FairLock: "The registers of the I/O APICs; who opens, masks or moves a line.",
    Endpoint UnfairLock: "The queues of one endpoint; messages and faults there, and who ends their waits. Taken briefly by messages.",
    Notification UnfairLock: "The bits and waiters of one notification; who signals, and who waits. Taken briefly by signals.",
    SavedReply FairLock: "The thread that a saved reply is owed to; who replies, and who ends the wait.",
    Affinity FairLock: "The CPUs on which one thread may run; who sets or reads them, and who places the thread.",
    Space FairLock: "One program's page tables; its page faults, maps and copies, and the swap clock.",
    Store FairLock: "Slots and transfers of swapped pages; who swaps, and the disk's interrupt.",
    Programs FairLock: "The list of all programs; who starts or ends one, and the swap clock.",
    Lines FairLock: "Which interrupt lines and messages are claimed; who makes or drops an interrupt.",
    Pinning FairLock: "The PCI functions that hold frames for one program; who asks for a frame's address, and the program's end.",
    Pins FairLock: "The frames that one PCI function holds; who asks for their addresses, and who stops it.",
    Functions FairLock: "Which PCI functions are claimed; who makes or drops a device.",
    Area FairLock: "Free addresses of the kernel's half; who maps device registers or stacks.",
    Heap FairLock: "The kernel heap; whatever allocates or frees.",
    Tables FairLock: "The page tables of the kernel's half; the heap when it grows, and who maps kernel pages.",
    Pool FairLock: "Free frames; CPUs whose cache is empty or full.",
    OwnPorts FairLock: "I/O ports that are the kernel's by the firmware's tables; who makes a range of ports.",
    Records FairLock: "The debug console; who writes a record.",
    Serial FairLock: "The serial line; whatever the kernel or a program prints, and the line's interrupt.",
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
        let package = env::var("CARGO_MANIFEST_DIR").unwrap();
        let path = format!("{package}/../docs/locks.md");
        let page = fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let mut table = String::from("\n| | rank | kind | guards; who wants it |\n| --- | --- | --- | --- |\n");
        for (place, row) in ALL.iter().enumerate() {
            writeln!(
                table,
                "| {} | {} | {} | {} |",
                place + 1,
                row.name,
                row.lock.trim_end_matches("Lock").to_lowercase(),
                row.what
            )
            .unwrap();
        }
        let expected = format!("{before}{BEGIN}{table}\n{END}{after}");
        if env::var_os("GATEHOUSE_BLESS").is_some() {
            fs::write(&path, &expected).unwrap();
        }
        assert!(page == expected, "docs/locks.md is not as rank.rs says: GATEHOUSE_BLESS=1 writes it anew");
    }
}
