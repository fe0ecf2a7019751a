//! The registers themselves.

use spin::Once;
use x86_64::PhysAddr;
use x86_64::instructions::port::Port;

use super::tables::{PowerTables, Register};
use crate::memory::kernel_space::{map_firmware, map_mmio};

/// A register that can be written at any time.
#[derive(Clone, Copy, Debug)]
enum Place {
    Port(u16),
    /// Mapped, uncached.
    Memory(u64),
}

/// What was found at the start.
#[derive(Debug, Default)]
struct Power {
    control: [Option<(Place, u8)>; 2],
    enable: Option<(u16, u8)>,
    sleep_control: Option<(Place, u8)>,
    reset: Option<(Place, u8)>,
}

static POWER: Once<Power> = Once::new();

/// `PM1_CNT`: ACPI has the registers; the sleep type's place; sleep now. `SLEEP_CONTROL_REG`: the type's place; sleep now. ACPI
/// specification, "PM1 Control Registers", "Sleep Control and Status Registers".
const IS_ENABLED: u16 = 1;
const TYPE_SHIFT: u16 = 10;
const SLEEP: u16 = 1 << 13;
const REDUCED_TYPE_SHIFT: u8 = 2;
const REDUCED_SLEEP: u8 = 1 << 5;

/// Looks: how long the firmware may take to hand the registers over, and a machine to go.
const LOOKS: u32 = 3_000_000;

/// Reads the tables behind the root pointer, once, while the first CPU runs alone. Without tables, or with odd ones, there is less to
/// end the machine by.
pub fn initialize(root_pointer: u64) {
    let read = |address: u64, length: usize| -> Option<&'static [u8]> {
        let mapping = map_firmware(PhysAddr::try_new(address).ok()?, length as u64).ok()?;
        let start = mapping.address().as_ptr::<u8>();
        mapping.leak();
        // SAFETY: the mapping holds `length` bytes from there, readable, for ever; tables are not written to.
        Some(unsafe { core::slice::from_raw_parts(start, length) })
    };
    let found = PowerTables::read(&read, root_pointer);
    let place = |(register, value)| Some((Place::of(register)?, value));
    POWER.call_once(|| Power {
        control: found.control.map(|control| control.and_then(place)),
        enable: found.enable,
        sleep_control: found.sleep_control.and_then(place),
        reset: found.reset.and_then(place),
    });
}

impl Place {
    /// `None` if it lies in memory that the kernel manages, or nowhere.
    fn of(register: Register) -> Option<Self> {
        match register {
            Register::Port(port) => Some(Self::Port(port)),
            Register::Memory(address) => {
                map_mmio(PhysAddr::try_new(address).ok()?, 2).ok().map(|address| Self::Memory(address.as_u64()))
            }
        }
    }

    fn write_byte(self, value: u8) {
        match self {
            // SAFETY: the firmware names the register for this purpose, and the machine ends by it.
            Self::Port(port) => unsafe { Port::new(port).write(value) },
            // SAFETY: the firmware names the register for this purpose; `of` has mapped it for ever.
            Self::Memory(address) => unsafe { (address as *mut u8).write_volatile(value) },
        }
    }

    fn read_half(self) -> u16 {
        match self {
            // SAFETY: the firmware names it as a control register of 16 bits; reading has no effect.
            Self::Port(port) => unsafe { Port::new(port).read() },
            // SAFETY: the firmware names it as a control register, whose reading has no effect; `of` has mapped both bytes for ever.
            Self::Memory(address) => unsafe { (address as *const u16).read_unaligned() },
        }
    }

    fn write_half(self, value: u16) {
        match self {
            // SAFETY: the firmware names it as a control register of 16 bits, and the machine ends by it.
            Self::Port(port) => unsafe { Port::new(port).write(value) },
            // SAFETY: the firmware names it as a control register; `of` has mapped both bytes for ever.
            Self::Memory(address) => unsafe { (address as *mut u16).write_unaligned(value) },
        }
    }
}

fn wait(mut done: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if done() {
            return;
        }
        core::hint::spin_loop();
    }
}

/// Turns the machine off. Comes back where that cannot be done.
pub fn turn_off() {
    let Some(power) = POWER.get() else { return };
    if let Some((register, kind)) = power.sleep_control {
        register.write_byte(kind << REDUCED_TYPE_SHIFT | REDUCED_SLEEP);
        wait(|| false);
    }
    let [Some((first, _)), _] = power.control else { return };
    let is_enabled = || first.read_half() & IS_ENABLED != 0;
    if let Some((port, value)) = power.enable
        && !is_enabled()
    {
        // SAFETY: the firmware names the port and the value for this purpose.
        unsafe { Port::new(port).write(value) };
        wait(is_enabled);
    }
    for (register, kind) in power.control.into_iter().flatten() {
        let kept = register.read_half() & !(7 << TYPE_SHIFT | SLEEP);
        register.write_half(kept | u16::from(kind) << TYPE_SHIFT | SLEEP);
    }
    wait(|| false);
}

/// Resets the machine. Comes back where that cannot be done.
pub fn reset() {
    if let Some((register, value)) = POWER.get().and_then(|power| power.reset) {
        register.write_byte(value);
        wait(|| false);
    }
}
