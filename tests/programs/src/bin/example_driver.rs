//! A driver: the real-time clock of every PC, which interrupts 1024 times a second. The first program has the right to make objects
//! of ports and interrupt lines; whoever holds those drives the device, and nothing else.
//!
//! Source: Motorola MC146818 data sheet, "Registers" (A: rate, B: enables, C: flags, cleared by reading).
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::Error;
use gatehouse_runtime::capability::{Capability, DeviceControl, Notification, Ports, Rights};
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};

entry!(run);

/// Its line on the ISA bus; the port that takes a register's number, and the one of the register's value.
const LINE: u64 = 8;
const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;

/// Registers A, B and C.
const RATE: u8 = 0x0a;
const ENABLES: u8 = 0x0b;
const FLAGS: u8 = 0x0c;
/// 32768 Hz divided for 1024 interrupts a second; interrupts at that rate; hours count to 24.
const RATE_1024: u8 = 0x26;
const PERIODIC: u8 = 0x40;
const HOURS_24: u8 = 0x02;

const TICKS: u64 = 64;

fn run(_argument: u64) -> u64 {
    let start = Kernel::clock();
    match drive() {
        Ok(()) => println!("example_driver: {TICKS} interrupts in {} us", (Kernel::clock() - start) / 1000),
        Err(error) => panic!("the clock cannot be driven: {error:?}"),
    }
    0
}

fn drive() -> Result<(), Error> {
    let devices = DeviceControl::OF_FIRST_PROGRAM;
    let (ports, interrupt) = (devices.ports(INDEX, 2)?, devices.interrupt(LINE)?);
    // What signals has a badge: a driver of several devices sees which of them it was.
    let told = Notification::create()?;
    interrupt.bind(told.copy(Rights::SEND, 1)?)?;
    write(ports, RATE, RATE_1024)?;
    write(ports, ENABLES, PERIODIC | HOURS_24)?;
    // What it has asked for before anybody listened.
    read(ports, FLAGS)?;
    for _ in 0..TICKS {
        told.wait_for(10 * SECOND)?;
        // The device asks again once its flags are read, and the kernel tells of that once this is acknowledged.
        read(ports, FLAGS)?;
        interrupt.acknowledge()?;
    }
    write(ports, ENABLES, HOURS_24)?;
    interrupt.unbind()
}

fn read(ports: Ports, register: u8) -> Result<u8, Error> {
    ports.write(INDEX, register)?;
    ports.read(DATA)
}

fn write(ports: Ports, register: u8, value: u8) -> Result<(), Error> {
    ports.write(INDEX, register)?;
    ports.write(DATA, value)
}
