//! Reading the table's bytes.
//!
//! The `acpi` crate finds and checks the table, but its entries are not used: its iterator (5.2.0) trusts every
//! length in the table, so an entry of length 0 makes it loop for ever and one that is too long makes it read
//! beyond the table.

use alloc::collections::BTreeSet;
use core::slice;

use acpi::madt::Madt;
use acpi::{AcpiHandler, PhysicalMapping};
use percpu::ApicId;

use super::entries::{
    INTERRUPT_SOURCE_OVERRIDE, IO_APIC, LOCAL_APIC, LOCAL_APIC_ADDRESS_OVERRIDE, LOCAL_APIC_NMI, LOCAL_X2APIC,
    LOCAL_X2APIC_NMI, entries,
};
use super::error::MadtError;
use super::topology::{
    InterruptOverride, ListedCpu, ListedIoApic, NmiPin, NmiProcessor, Note, Polarity, Topology, TriggerMode,
};

/// The common table header, the local APIC address and the flags.
pub(super) const FIXED_PART: usize = 44;
const LENGTH_AT: usize = 4;
const LOCAL_APIC_ADDRESS_AT: usize = 36;
const FLAGS_AT: usize = 40;
/// Table flags: the machine also has two 8259s.
const PCAT_COMPAT: u32 = 1 << 0;
/// CPU flags: usable.
const ENABLED: u32 = 1 << 0;
/// CPU flags: not usable now, but the system may enable it while it runs.
const ONLINE_CAPABLE: u32 = 1 << 1;
/// CPU entries of the old type with this id are to be ignored; in x2APIC mode it means everybody.
const INVALID_ID: u8 = 0xff;
const INVALID_X2APIC_ID: u32 = u32::MAX;
const BUS_ISA: u8 = 0;

impl Topology {
    /// Reads the table that the `acpi` crate found. `boot` is the id of the CPU that runs this.
    ///
    /// # Errors
    /// As for [`Self::from_bytes`].
    pub fn from_mapping<H: AcpiHandler>(mapping: &PhysicalMapping<H, Madt>, boot: ApicId) -> Result<Self, MadtError> {
        // SAFETY: a mapping promises `region_length` readable bytes from `virtual_start`, for as long as it
        // lives, and nobody writes ACPI tables; the slice ends before the mapping does.
        let bytes = unsafe { slice::from_raw_parts(mapping.virtual_start().as_ptr().cast(), mapping.region_length()) };
        Self::from_bytes(bytes, boot)
    }

    /// Reads a table from its bytes, header included; bytes after the table are ignored, and so is the checksum.
    /// `boot` is the id of the CPU that runs this. What cannot be read is left out, and noted: firmware pads tables, and miscounts.
    ///
    /// # Errors
    /// When the bytes are no MADT, or not even its fixed part is there.
    pub fn from_bytes(bytes: &[u8], boot: ApicId) -> Result<Self, MadtError> {
        let (table, missing) = whole_table(bytes)?;
        let mut reader = Reader::new(boot);
        if missing != 0 {
            reader.note(Note::MissingEnd { offset: table.len(), bytes: missing });
        }
        reader.topology.local_apic_address = u64::from(u32_at(table, LOCAL_APIC_ADDRESS_AT));
        reader.topology.has_8259 = u32_at(table, FLAGS_AT) & PCAT_COMPAT != 0;

        for entry in entries(table) {
            match entry {
                Ok((offset, entry)) => reader.read(offset, entry),
                Err(note) => reader.note(note),
            }
        }
        Ok(reader.finish())
    }
}

/// Cuts the bytes down to the table that they start with. Answers how many bytes of it are missing, too.
fn whole_table(bytes: &[u8]) -> Result<(&[u8], usize), MadtError> {
    if bytes.len() < FIXED_PART {
        return Err(MadtError::ShortTable { length: bytes.len() });
    }
    let signature = [bytes[0], bytes[1], bytes[2], bytes[3]];
    if signature != *b"APIC" {
        return Err(MadtError::Signature(signature));
    }
    let claimed = u32_at(bytes, LENGTH_AT);
    let length = claimed as usize;
    if length < FIXED_PART {
        return Err(MadtError::TableLength { claimed });
    }
    Ok((&bytes[..length.min(bytes.len())], length.saturating_sub(bytes.len())))
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from(u16_at(bytes, offset)) | u32::from(u16_at(bytes, offset + 2)) << 16
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from(u32_at(bytes, offset)) | u64::from(u32_at(bytes, offset + 4)) << 32
}

/// Gathers the entries. Each is at least as long as its type needs.
struct Reader {
    topology: Topology,
    boot: ApicId,
    boot_uid: Option<u32>,
    boot_listed: bool,
    /// The ids of the usable and of the online-capable CPUs so far.
    seen: BTreeSet<ApicId>,
}

impl Reader {
    fn new(boot: ApicId) -> Self {
        Self { topology: Topology::default(), boot, boot_uid: None, boot_listed: false, seen: BTreeSet::new() }
    }

    fn read(&mut self, offset: usize, entry: &[u8]) {
        match entry[0] {
            LOCAL_APIC if entry[3] == INVALID_ID => self.note(Note::InvalidId { offset }),
            LOCAL_APIC => self.cpu(u32::from(entry[3]), u32::from(entry[2]), u32_at(entry, 4)),
            LOCAL_X2APIC if u32_at(entry, 4) == INVALID_X2APIC_ID => self.note(Note::InvalidId { offset }),
            LOCAL_X2APIC => self.cpu(u32_at(entry, 4), u32_at(entry, 12), u32_at(entry, 8)),
            IO_APIC => self.topology.io_apics.push(ListedIoApic {
                id: entry[2],
                address: u32_at(entry, 4),
                first_interrupt: u32_at(entry, 8),
            }),
            INTERRUPT_SOURCE_OVERRIDE if entry[2] != BUS_ISA => self.note(Note::UnknownBus { offset, bus: entry[2] }),
            INTERRUPT_SOURCE_OVERRIDE => {
                let (polarity, trigger_mode) = self.signal(offset, u16_at(entry, 8));
                let (source, interrupt) = (entry[3], u32_at(entry, 4));
                let overrides = &mut self.topology.interrupt_overrides;
                overrides.push(InterruptOverride { source, interrupt, polarity, trigger_mode });
            }
            LOCAL_APIC_NMI => {
                // The old type has 8 bits for the processor, and all ones for all of them.
                let processor = match entry[2] {
                    u8::MAX => NmiProcessor::All,
                    uid => NmiProcessor::Uid(u32::from(uid)),
                };
                self.nmi_pin(offset, processor, u16_at(entry, 3), entry[5]);
            }
            LOCAL_X2APIC_NMI => {
                let processor = match u32_at(entry, 4) {
                    u32::MAX => NmiProcessor::All,
                    uid => NmiProcessor::Uid(uid),
                };
                self.nmi_pin(offset, processor, u16_at(entry, 2), entry[8]);
            }
            LOCAL_APIC_ADDRESS_OVERRIDE => self.topology.local_apic_address = u64_at(entry, 4),
            kind => self.note(Note::UnknownType { offset, kind }),
        }
    }

    fn note(&mut self, note: Note) {
        self.topology.notes.push(note);
    }

    fn cpu(&mut self, id: u32, uid: u32, flags: u32) {
        let apic_id = ApicId::new(id);
        // The CPU that runs is usable, whatever its entry says.
        let boots = apic_id == self.boot;
        if !boots && flags & (ENABLED | ONLINE_CAPABLE) == 0 {
            return self.note(Note::Disabled(apic_id));
        }
        if !self.seen.insert(apic_id) && !self.is_enabled_at_last(apic_id, flags) {
            return self.note(Note::Duplicate(apic_id));
        }
        if boots {
            (self.boot_listed, self.boot_uid) = (true, Some(uid));
            return;
        }
        let cpu = ListedCpu { apic_id, processor_uid: Some(uid) };
        if flags & ENABLED != 0 {
            self.topology.cpus.push(cpu);
        } else {
            self.topology.online_capable.push(cpu);
        }
    }

    /// Whether a CPU that was listed as one that may come is listed again, as usable: that is what counts then.
    fn is_enabled_at_last(&mut self, apic_id: ApicId, flags: u32) -> bool {
        let listed = self.topology.online_capable.iter().position(|cpu| cpu.apic_id == apic_id);
        let listed = listed.filter(|_| flags & ENABLED != 0);
        if let Some(place) = listed {
            self.topology.online_capable.remove(place);
        }
        listed.is_some()
    }

    fn nmi_pin(&mut self, offset: usize, processor: NmiProcessor, flags: u16, pin: u8) {
        let (polarity, trigger_mode) = self.signal(offset, flags);
        self.topology.nmi_pins.push(NmiPin { processor, pin, polarity, trigger_mode });
    }

    /// The flags of an interrupt line ("MPS INTI flags").
    fn signal(&mut self, offset: usize, flags: u16) -> (Polarity, TriggerMode) {
        let polarity = match flags & 0b11 {
            0b00 => Some(Polarity::BusDefault),
            0b01 => Some(Polarity::ActiveHigh),
            0b11 => Some(Polarity::ActiveLow),
            _ => None,
        };
        let trigger_mode = match flags >> 2 & 0b11 {
            0b00 => Some(TriggerMode::BusDefault),
            0b01 => Some(TriggerMode::Edge),
            0b11 => Some(TriggerMode::Level),
            _ => None,
        };
        if polarity.is_none() || trigger_mode.is_none() {
            self.note(Note::ReservedFlags { offset, flags });
        }
        (polarity.unwrap_or(Polarity::BusDefault), trigger_mode.unwrap_or(TriggerMode::BusDefault))
    }

    fn finish(mut self) -> Topology {
        if !self.boot_listed {
            self.note(Note::BootCpuNotListed(self.boot));
        }
        self.topology.cpus.insert(0, ListedCpu { apic_id: self.boot, processor_uid: self.boot_uid });
        self.topology
    }
}
