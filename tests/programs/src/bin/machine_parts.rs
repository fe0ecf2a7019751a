//! What belongs to the machine is nobody's: its bridges, and the ports that stop CPUs, hide interrupts, or turn the machine off or
//! over. What the firmware left running stands still. To be run as the first program, with words on the command line: `devices=N`
//! that can be had, `disk-ports` if the kernel has a disk with ports.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::Error;
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::device::{create_device, create_ports, read_configuration};
use programs::{check, child, number_in, ok};

entry!(run);

/// What is the kernel's: first port and how many, on QEMU's q35, whose power management is at 0x600.
const KEPT: [(u16, u64, &str); 16] = [
    (0x20, 2, "first interrupt controller"),
    (0x22, 2, "interrupt mode"),
    (0x61, 1, "masks of NMI sources"),
    (0x64, 1, "keyboard controller's command"),
    (0x74, 4, "aliases of the NMI mask"),
    (0x92, 1, "fast reset"),
    (0xa0, 2, "second interrupt controller"),
    (0xb2, 2, "system management interrupt"),
    (0xe9, 1, "debug console"),
    (0xf4, 4, "exit device"),
    (0x3f8, 8, "COM1"),
    (0x4d0, 2, "trigger modes"),
    (0xcf8, 8, "PCI configuration and reset"),
    (0x600, 6, "power management events and control"),
    (0x608, 4, "power management timer"),
    (0x620, 0x20, "general events and system management"),
];

/// Where PCI devices have their ports.
const PCI_PORTS: core::ops::Range<u16> = 0xc000..0xd000;

const COMMAND: u64 = 0x04;
const BUS_MASTER: u64 = 1 << 2;
/// Messages: their capabilities, and in the first words of these that they are on.
const MSI: (u64, u64) = (0x05, 1 << 16);
const MSI_X: (u64, u64) = (0x11, 1 << 31);

fn run(_: u64) -> u64 {
    for (first, count, what) in KEPT {
        for port in first..first + count as u16 {
            check!(create_ports(port, 1) == Err(Error::InvalidArgument), "{port:#x} was given away: {what}");
        }
        check!(create_ports(first - 1, count + 1) == Err(Error::InvalidArgument), "{what}, with the port before it");
        check!(create_ports(first, count + 1) == Err(Error::InvalidArgument), "{what}, with the port behind it");
    }
    for free in [0x60, 0x70, 0x71, 0x2f8, 0x700] {
        child::delete(&[ok("ports", create_ports(free, 1))]);
    }
    let mut line = [0; 512];
    let words = ok("command line", Kernel::command_line(&mut line));
    let refused = PCI_PORTS.filter(|port| match create_ports(*port, 1) {
        Ok(slot) => {
            child::delete(&[slot]);
            false
        }
        Err(_) => true,
    });
    let (refused, has_disk) = (refused.count(), words.split(' ').any(|word| word == "disk-ports"));
    check!((refused != 0) == has_disk, "{refused} ports are the swap disk's");

    let (mut bridges, mut devices) = (0, 0);
    for address in 0..256 {
        match create_device(address) {
            Ok(device) => {
                stands_still(device, address);
                child::delete(&[device]);
                devices += 1;
            }
            Err(Error::NotPermitted) => bridges += 1,
            Err(error) => check!(matches!(error, Error::NotFound | Error::WrongState), "{address:#x}: {error:?}"),
        }
    }
    // The host's, and the one to the ISA bus.
    check!(bridges >= 2, "{bridges} bridges were kept");
    check!(create_device(0) == Err(Error::NotPermitted), "the host bridge was given away");
    let expected = number_in(words, "devices=");
    check!(expected == Some(devices), "{devices} devices, not {expected:?}");
    println!("machine_parts: all cases hold");
    0
}

/// It may not write to memory, and sends no messages.
fn stands_still(device: u64, address: u64) {
    let read = |register| ok("configuration", read_configuration(device, register));
    check!(read(COMMAND) & BUS_MASTER == 0, "{address:#x} writes to memory: {:#x}", read(COMMAND));
    let mut offset = read(0x34) & 0xfc;
    while offset != 0 {
        let head = read(offset);
        for (capability, on) in [MSI, MSI_X] {
            check!(head & 0xff != capability || head & on == 0, "{address:#x} sends messages: {head:#x}");
        }
        offset = head >> 8 & 0xfc;
    }
}
