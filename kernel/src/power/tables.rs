//! What the firmware's tables say of turning the machine off: pure, on whatever bytes `read` gives. Nothing that they say is
//! believed without a look at the length.
//!
//! Source: ACPI specification 6.5, "Root System Description Pointer", "Fixed ACPI Description Table (FADT)", "\_Sx (System
//! States)", "AML Byte Stream Byte Values".

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

/// Bytes of physical memory: as many from an address on, or `None` if they cannot be read.
pub(super) type Read<'read> = &'read dyn Fn(u64, usize) -> Option<&'static [u8]>;

/// The longest table that is looked at.
const LONGEST_TABLE: usize = 4 << 20;
/// The most tables that the root table may list.
const MOST_TABLES: usize = 256;
/// Bytes of every table's head: signature, length, and what is not read here.
const HEAD: usize = 36;

/// Where a register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    /// A port.
    Port(u16),
    /// A physical address.
    Memory(u64),
}

/// How the machine is turned off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PowerTables {
    /// The fixed control registers, with the sleep types that turn off.
    pub(super) control: [Option<(Register, u8)>; 2],
    /// The port, and what to write to it, that puts the control registers into the system's hands.
    pub(super) enable: Option<(u16, u8)>,
    /// The sleep control register of hardware without those, with the sleep type.
    pub(super) sleep_control: Option<(Register, u8)>,
    /// The register that resets the machine, and what to write to it.
    pub(super) reset: Option<(Register, u8)>,
}

fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

/// The table at an address, as long as its head says.
fn table(read: Read<'_>, address: u64) -> Option<&'static [u8]> {
    let length = half(read(address, HEAD)?, 4)? as usize;
    if (HEAD..=LONGEST_TABLE).contains(&length) { read(address, length) } else { None }
}

/// A generic address structure.
fn register(bytes: &[u8], at: usize) -> Option<Register> {
    let address = word(bytes, at.checked_add(4)?)?;
    match (byte(bytes, at)?, address) {
        (_, 0) => None,
        (0, address) => Some(Register::Memory(address)),
        (1, address) => u16::try_from(address).ok().map(Register::Port),
        _ => None,
    }
}

/// The addresses in the root table.
fn listed(read: Read<'_>, root_pointer: u64) -> impl Iterator<Item = u64> {
    let pointer = read(root_pointer, 20);
    let extended = pointer.filter(|bytes| byte(bytes, 15).is_some_and(|revision| revision >= 2));
    let extended = extended.and_then(|_| word(read(root_pointer, 36)?, 24)).filter(|address| *address != 0);
    let root = match extended {
        Some(address) => table(read, address).map(|bytes| (bytes, 8)),
        None => pointer
            .and_then(|bytes| half(bytes, 16))
            .and_then(|address| table(read, address.into()))
            .map(|bytes| (bytes, 4)),
    };
    let (bytes, size) = root.unwrap_or((&[], 4));
    let entries = bytes.get(HEAD..).unwrap_or_default().chunks_exact(size).take(MOST_TABLES);
    entries.filter_map(move |entry| if size == 8 { word(entry, 0) } else { half(entry, 0).map(u64::from) })
}

/// The tables with a signature.
fn with_signature<'read>(
    read: Read<'read>,
    root_pointer: u64,
    signature: &'static [u8; 4],
) -> impl Iterator<Item = &'static [u8]> + use<'read> {
    #[expect(clippy::disallowed_methods, reason = "on the stack, and before any program runs")]
    let all = listed(read, root_pointer).collect::<heapless::Vec<u64, MOST_TABLES>>();
    all.into_iter().filter_map(move |address| table(read, address)).filter(move |bytes| bytes.starts_with(signature))
}

impl PowerTables {
    /// Reads the tables behind the root pointer. What is missing or odd is left out.
    pub(super) fn read(read: Read<'_>, root_pointer: u64) -> Self {
        let Some(fadt) = with_signature(read, root_pointer, b"FACP").next() else { return Self::default() };
        let flags = half(fadt, 112).unwrap_or(0);
        let reset = register(fadt, 116).zip(byte(fadt, 128)).filter(|_| flags & RESET_SUPPORTED != 0);
        let wide = word(fadt, 140).filter(|address| *address != 0);
        let definitions = wide.or_else(|| half(fadt, 40).map(u64::from)).and_then(|address| table(read, address));
        let more = with_signature(read, root_pointer, b"SSDT");
        let Some([first, second]) = definitions.into_iter().chain(more).find_map(sleep_types) else {
            return Self { reset, ..Self::default() };
        };
        if flags & HARDWARE_REDUCED != 0 {
            return Self { reset, sleep_control: register(fadt, 244).map(|at| (at, first)), ..Self::default() };
        }
        let port = |at| half(fadt, at).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        let control = |wide, narrow| register(fadt, wide).or_else(|| port(narrow).map(Register::Port));
        Self {
            control: [control(172, 64).map(|at| (at, first)), control(184, 68).map(|at| (at, second))],
            enable: port(48).zip(byte(fadt, 52)).filter(|(_, value)| *value != 0),
            sleep_control: None,
            reset,
        }
    }
}

/// FADT flags: the reset register works; the fixed registers are not there.
const RESET_SUPPORTED: u32 = 1 << 10;
const HARDWARE_REDUCED: u32 = 1 << 20;

/// The sleep types that turn the machine off, from the definition of `\_S5` in a table's AML: `Name (_S5, Package () { a, b, … })`.
fn sleep_types(aml: &[u8]) -> Option<[u8; 2]> {
    const NAME: u8 = 0x08;
    const ROOT: u8 = b'\\';
    let body = aml.get(HEAD..)?;
    let at = (1..body.len()).find(|at| {
        let before = &body[..*at];
        body[*at..].starts_with(b"_S5_") && (before.ends_with(&[NAME]) || before.ends_with(&[NAME, ROOT]))
    })?;
    package(body.get(at..)?.get(4..)?)
}

/// The first two numbers of a package; a single one stands for both. Sleep types have three bits.
fn package(aml: &[u8]) -> Option<[u8; 2]> {
    const PACKAGE: u8 = 0x12;
    let [PACKAGE, length, ..] = *aml else { return None };
    // The two highest bits say how many more bytes the length has; behind it is the number of elements.
    let elements = aml.get(2..)?.get(usize::from(length >> 6)..)?;
    let (count, elements) = elements.split_first()?;
    let (first, rest) = number(elements)?;
    let second = if *count > 1 { number(rest).map_or(first, |(second, _)| second) } else { first };
    (*count > 0 && first < 8 && second < 8).then_some([first, second])
}

/// A number, and what follows.
fn number(aml: &[u8]) -> Option<(u8, &[u8])> {
    let (prefix, rest) = aml.split_first()?;
    let bytes = match *prefix {
        // ZeroOp and OneOp.
        value @ 0..=1 => return Some((value, rest)),
        // Byte, word and double word; what is more than a byte is no sleep type.
        0x0a => 1,
        0x0b => 2,
        0x0c => 4,
        _ => return None,
    };
    let ([low, high @ ..], rest) = rest.split_at_checked(bytes)? else { return None };
    high.iter().all(|byte| *byte == 0).then_some((*low, rest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Tables at addresses.
    #[derive(Default)]
    struct Firmware(BTreeMap<u64, &'static [u8]>);

    impl Firmware {
        fn put(&mut self, address: u64, bytes: Vec<u8>) {
            self.0.insert(address, Box::leak(bytes.into_boxed_slice()));
        }

        fn read(&self) -> PowerTables {
            let read = |address: u64, length: usize| {
                let (start, bytes) = self.0.range(..=address).next_back()?;
                bytes.get((address - start) as usize..)?.get(..length)
            };
            PowerTables::read(&read, 0x1000)
        }
    }

    fn head(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD];
        bytes[..4].copy_from_slice(signature);
        bytes[4..8].copy_from_slice(&((HEAD + body.len()) as u32).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    fn fadt(flags: u32) -> Vec<u8> {
        let mut bytes = head(b"FACP", &[0; 276 - HEAD]);
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(40, &0x3000_u32.to_le_bytes());
        put(48, &0xb2_u32.to_le_bytes());
        put(52, &[2]);
        put(64, &0x604_u32.to_le_bytes());
        put(112, &flags.to_le_bytes());
        put(116, &[1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 0x0f]);
        put(244, &[0, 8, 0, 1, 0, 2, 0xea, 0xfe, 0, 0, 0, 0]);
        bytes
    }

    fn firmware(fadt: Vec<u8>, aml: &[u8]) -> Firmware {
        let mut firmware = Firmware::default();
        let mut pointer = vec![0; 36];
        pointer[16..20].copy_from_slice(&0x1800_u32.to_le_bytes());
        firmware.put(0x1000, pointer);
        firmware.put(0x1800, head(b"RSDT", &0x2000_u32.to_le_bytes()));
        firmware.put(0x2000, fadt);
        firmware.put(0x3000, head(b"DSDT", aml));
        firmware
    }

    /// As QEMU's firmware has it, behind another name.
    const AML: &[u8] = b"\x10\x05\x5c_SB_\x08_S5_\x12\x06\x04\x0a\x05\x0a\x06\x00\x00";

    #[test]
    fn the_fixed_registers_turn_off() {
        let tables = firmware(fadt(RESET_SUPPORTED), AML).read();
        assert_eq!(tables.control, [Some((Register::Port(0x604), 5)), None]);
        assert_eq!((tables.enable, tables.sleep_control), (Some((0xb2, 2)), None));
        assert_eq!(tables.reset, Some((Register::Port(0xcf9), 15)));
    }

    #[test]
    fn reduced_hardware_has_a_register_of_its_own() {
        let tables = firmware(fadt(HARDWARE_REDUCED), AML).read();
        assert_eq!((tables.control, tables.reset), ([None; 2], None));
        assert_eq!(tables.sleep_control, Some((Register::Memory(0xfeea_0200), 5)));
    }

    #[test]
    fn a_short_table_has_what_it_has() {
        let mut short = fadt(RESET_SUPPORTED);
        short.truncate(116);
        short[4..8].copy_from_slice(&116_u32.to_le_bytes());
        let tables = firmware(short, AML).read();
        assert_eq!((tables.control[0], tables.reset), (Some((Register::Port(0x604), 5)), None));
        assert_eq!(firmware(fadt(RESET_SUPPORTED), b"").read().control, [None; 2]);
    }

    #[test]
    fn packages_are_read_in_every_form() {
        assert_eq!(package(b"\x12\x06\x04\x00\x01\x00\x00"), Some([0, 1]));
        assert_eq!(package(b"\x12\x46\x00\x02\x0a\x07\x0b\x03\x00"), Some([7, 3]));
        assert_eq!(package(b"\x12\x04\x01\x0c\x05\x00\x00\x00"), Some([5, 5]));
        for odd in
            [&b"\x12\x06\x04\x0a\x08\x00"[..], b"\x12\x02\x00", b"\x12", b"", b"\x13\x06\x04\x00\x00", b"\x12\xc6\x00"]
        {
            assert_eq!(package(odd), None, "{odd:x?}");
        }
        assert_eq!(sleep_types(&head(b"DSDT", b"\x08\\_S5_\x12\x06\x04\x0a\x05\x00")), Some([5, 0]));
        assert_eq!(sleep_types(&head(b"DSDT", b"\x70_S5_\x12\x06\x04\x0a\x05\x00")), None, "a use, no definition");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            mut fadt in Just(fadt(RESET_SUPPORTED)), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            aml in prop_oneof![prop::collection::vec(any::<u8>(), 0..64), Just(AML.to_vec())],
            pointer in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            for (index, value) in changes {
                let at = index.index(fadt.len());
                fadt[at] = value;
            }
            let mut all = firmware(fadt, &aml);
            let _ = all.read();
            all.put(0x1000, pointer);
            let _ = all.read();
        }
    }
}
