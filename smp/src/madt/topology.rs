//! What the table tells about the machine.

use alloc::vec::Vec;

use percpu::ApicId;

/// A CPU that the firmware lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedCpu {
    /// Its local APIC id.
    pub apic_id: ApicId,
    /// The id of its processor object in the ACPI namespace; nothing when the boot CPU is not listed.
    pub processor_uid: Option<u32>,
}

/// An I/O APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedIoApic {
    /// Its id.
    pub id: u8,
    /// Physical address of its registers.
    pub address: u32,
    /// The global system interrupt of its first input.
    pub first_interrupt: u32,
}

/// When an interrupt line counts as active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    /// As usual for its bus: high for ISA.
    BusDefault,
    /// When high.
    ActiveHigh,
    /// When low.
    ActiveLow,
}

/// What an interrupt line raises an interrupt for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerMode {
    /// As usual for its bus: edge for ISA.
    BusDefault,
    /// For becoming active.
    Edge,
    /// For being active.
    Level,
}

/// An ISA interrupt that does not have the global system interrupt of the same number, or not the bus's usual
/// signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptOverride {
    /// The ISA interrupt, `0..=15`.
    pub source: u8,
    /// Its global system interrupt.
    pub interrupt: u32,
    /// When its line is active.
    pub polarity: Polarity,
    /// What its line raises an interrupt for.
    pub trigger_mode: TriggerMode,
}

/// Which processors an [`NmiPin`] speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NmiProcessor {
    /// All of them.
    All,
    /// The one with this [`ListedCpu::processor_uid`].
    Uid(u32),
}

/// A local APIC pin that the NMI line is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NmiPin {
    /// On which processors.
    pub processor: NmiProcessor,
    /// The pin: 0 is LINT0, 1 is LINT1.
    pub pin: u8,
    /// When the line is active.
    pub polarity: Polarity,
    /// What the line raises an interrupt for.
    pub trigger_mode: TriggerMode,
}

/// Something in the table that was left out, or is odd. Offsets are in bytes from the start of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A CPU that cannot be used.
    Disabled(ApicId),
    /// A CPU that is listed again, for example by an entry of the other type.
    Duplicate(ApicId),
    /// A CPU entry with the id that means everybody.
    InvalidId {
        /// Where the entry starts.
        offset: usize,
    },
    /// The CPU that boots is not listed; it was put first all the same.
    BootCpuNotListed(ApicId),
    /// An entry of a type that is not read here.
    UnknownType {
        /// Where the entry starts.
        offset: usize,
        /// Its type.
        kind: u8,
    },
    /// An interrupt override for a bus that is not ISA.
    UnknownBus {
        /// Where the entry starts.
        offset: usize,
        /// The bus.
        bus: u8,
    },
    /// Interrupt flags with a reserved value; read as the bus's default.
    ReservedFlags {
        /// Where the entry starts.
        offset: usize,
        /// The flags.
        flags: u16,
    },
    /// An entry that has fewer bytes than its type needs; left out.
    ShortEntry {
        /// Where the entry starts.
        offset: usize,
        /// Its type.
        kind: u8,
        /// Length that it claims.
        length: u8,
        /// Length that the type needs.
        needed: u8,
    },
    /// An entry that reaches beyond the end of the table; left out, and the last.
    TruncatedEntry {
        /// Where the entry starts.
        offset: usize,
        /// Its type.
        kind: u8,
        /// Length that it claims.
        length: u8,
        /// Bytes from its start to the end of the table.
        remaining: usize,
    },
    /// Bytes at the end of the table that are no entry.
    Padding {
        /// Where they start.
        offset: usize,
        /// How many there are.
        bytes: usize,
    },
    /// The table ends before it says that it does.
    MissingEnd {
        /// Where it ends.
        offset: usize,
        /// Bytes that are missing.
        bytes: usize,
    },
}

/// The machine as the firmware describes it.
///
/// ```
/// use smp::ApicId;
/// use smp::madt::Topology;
///
/// // A table of two CPUs with the ids 0 and 5: header, local APIC address, flags, and an entry of 8 bytes for each.
/// let mut table = [0_u8; 44 + 2 * 8];
/// table[..4].copy_from_slice(b"APIC");
/// table[4] = table.len() as u8;
/// table[36..40].copy_from_slice(&0xfee0_0000_u32.to_le_bytes());
/// table[44..52].copy_from_slice(&[0, 8, 0, 0, 1, 0, 0, 0]);
/// table[52..60].copy_from_slice(&[0, 8, 1, 5, 1, 0, 0, 0]);
///
/// let boot = ApicId::new(0);
/// let topology = Topology::from_bytes(&table, boot).unwrap();
/// assert_eq!(topology.cpus.len(), 2);
/// assert_eq!(topology.highest_apic_id(), ApicId::new(5));
/// // What is cut off is noted, and the rest is used; a table without its header's fields is refused.
/// assert_eq!(Topology::from_bytes(&table[..52], boot).unwrap().cpus.len(), 1);
/// assert!(Topology::from_bytes(&table[..20], boot).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Topology {
    /// The CPUs that can be used: the one that boots first, then the others in the order of the table. A CPU's
    /// place is its [`CpuIndex`](crate::CpuIndex).
    pub cpus: Vec<ListedCpu>,
    /// CPUs that are not there, or not powered, but may come while the system runs.
    pub online_capable: Vec<ListedCpu>,
    /// The I/O APICs.
    pub io_apics: Vec<ListedIoApic>,
    /// How the ISA interrupts are connected where that is not one to one.
    pub interrupt_overrides: Vec<InterruptOverride>,
    /// Where the NMI line is connected.
    pub nmi_pins: Vec<NmiPin>,
    /// Physical address of the local APICs' page, in xAPIC mode.
    pub local_apic_address: u64,
    /// The machine also has two 8259 interrupt controllers, which must be masked.
    pub has_8259: bool,
    /// What was left out, and what is odd.
    pub notes: Vec<Note>,
}

impl Topology {
    /// The highest id of a CPU that can be used, for [`choose_mode`](crate::local_apic::choose_mode).
    #[must_use]
    pub fn highest_apic_id(&self) -> ApicId {
        self.cpus.iter().map(|cpu| cpu.apic_id).max().unwrap_or(ApicId::new(0))
    }

    /// The I/O APIC that has an input for a global system interrupt, as far as the table tells: the one with the
    /// highest first interrupt that is not above it. How many inputs it has, only its registers tell.
    #[must_use]
    pub fn io_apic_for(&self, interrupt: u32) -> Option<&ListedIoApic> {
        let candidates = self.io_apics.iter().filter(|io_apic| io_apic.first_interrupt <= interrupt);
        candidates.max_by_key(|io_apic| io_apic.first_interrupt)
    }

    /// How an ISA interrupt is connected: as an override says, else one to one.
    #[must_use]
    pub fn isa_interrupt(&self, source: u8) -> InterruptOverride {
        let found = self.interrupt_overrides.iter().find(|entry| entry.source == source);
        found.copied().unwrap_or(InterruptOverride {
            source,
            interrupt: u32::from(source),
            polarity: Polarity::BusDefault,
            trigger_mode: TriggerMode::BusDefault,
        })
    }
}
