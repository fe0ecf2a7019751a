//! The machine's fixed registers (FADT).
//!
//! Source: ACPI Specification 6.5, "Fixed ACPI Description Table (FADT)" and "Generic Address Structure". A table of an old revision
//! ends early: what lies behind its end is not there.

use core::ops::Range;

use super::bytes::{u8_at, u32_at, u64_at};

/// There are no ports above.
const PORTS_END: u64 = 0x1_0000;
/// In a generic address: it is one of I/O ports.
const PORT_SPACE: u8 = 1;

const SMI_COMMAND_AT: usize = 48;
const TIMER_AT: usize = 76;
const TIMER_LENGTH_AT: usize = 91;
const WIDE_TIMER_AT: usize = 208;
const RESET_AT: usize = 116;
const SLEEP_AT: [usize; 2] = [244, 256];
/// The timer's length, if there is one.
const TIMER_BYTES: u8 = 4;

/// A block of registers: where its address stands, its length, and its address in the later form.
struct BlockFields {
    narrow: usize,
    length: usize,
    wide: usize,
    what: &'static str,
}

const fn block(narrow: usize, length: usize, wide: usize, what: &'static str) -> BlockFields {
    BlockFields { narrow, length, wide, what }
}

const BLOCKS: [BlockFields; 8] = [
    block(56, 88, 148, "power management events"),
    block(60, 88, 160, "power management events"),
    block(64, 89, 172, "power management control"),
    block(68, 89, 184, "power management control"),
    block(72, 90, 196, "power management control"),
    block(TIMER_AT, TIMER_LENGTH_AT, WIDE_TIMER_AT, "power management timer"),
    block(80, 92, 220, "general purpose events"),
    block(84, 93, 232, "general purpose events"),
];

/// As many ranges as the fields can name: each block twice, and five more.
const MOST_RANGES: usize = 2 * BLOCKS.len() + 5;

/// Chipsets put the events at the start of a block of this size, and into the same block what raises system management interrupts,
/// which no table names.
const CHIPSET_BLOCK: u64 = 0x80;

/// The table, as many bytes of it as there are.
#[derive(Clone, Copy, Debug)]
pub struct FixedTable<'bytes>(&'bytes [u8]);

impl<'bytes> FixedTable<'bytes> {
    /// The table with these bytes, header included.
    #[must_use]
    pub const fn new(bytes: &'bytes [u8]) -> Self {
        Self(bytes)
    }

    /// The power-management timer's port, if there is one.
    #[must_use]
    pub fn timer_port(self) -> Option<u16> {
        u8_at(self.0, TIMER_LENGTH_AT).filter(|length| *length == TIMER_BYTES)?;
        let first = self.wide(WIDE_TIMER_AT).or_else(|| self.narrow(TIMER_AT))?;
        u16::try_from(first).ok().filter(|_| first.saturating_add(TIMER_BYTES.into()) <= PORTS_END)
    }

    /// The ports by which the machine sleeps, wakes, is turned off or reset, or enters system management.
    #[must_use]
    pub fn ports(self) -> heapless::Vec<(Range<u64>, &'static str), MOST_RANGES> {
        let mut all = heapless::Vec::new();
        let mut keep = |first: Option<u64>, count: u64, what| {
            if let Some(first) = first {
                let has_room = all.push((first..first.saturating_add(count.max(1)).min(PORTS_END), what)).is_ok();
                debug_assert!(has_room, "there are so many fields");
            }
        };
        keep(self.narrow(SMI_COMMAND_AT), 1, "system management interrupt");
        keep(self.wide(RESET_AT), 1, "reset");
        SLEEP_AT.into_iter().for_each(|at| keep(self.wide(at), 1, "sleep"));
        for BlockFields { narrow, length, wide, what } in BLOCKS {
            let count = u8_at(self.0, length).map_or(0, u64::from);
            let (narrow, wide) = (self.narrow(narrow), self.wide(wide));
            keep(narrow, count, what);
            keep(wide.filter(|_| wide != narrow), count, what);
        }
        let events = self.narrow(BLOCKS[0].narrow).or_else(|| self.wide(BLOCKS[0].wide));
        keep(events.map(|first| first & !(CHIPSET_BLOCK - 1)), CHIPSET_BLOCK, "power management");
        all
    }

    /// The port that the 4 bytes at an offset name.
    fn narrow(self, offset: usize) -> Option<u64> {
        u32_at(self.0, offset).map(u64::from).filter(|port| (1..PORTS_END).contains(port))
    }

    /// The port that the generic address at an offset names.
    fn wide(self, offset: usize) -> Option<u64> {
        u8_at(self.0, offset).filter(|space| *space == PORT_SPACE)?;
        u64_at(self.0, offset.checked_add(4)?).filter(|port| (1..PORTS_END).contains(port))
    }
}
