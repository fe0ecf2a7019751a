//! Deciding, at the start, where pages go.

use gatehouse_core::command_line::CommandLine;
use gatehouse_core::memory::layout::PAGE_SIZE;

use super::block_pool::BlockPool;
use super::disk::{Disk, find};
use super::reclaim::{Marks, set_marks};
use super::settings::Setting;
use super::store::{Store, install};
use super::waiting::{DEADLINE, LONGEST_DEADLINE, prepare};
use crate::console;
use crate::memory::frame;

/// The most that the kernel takes for compressed pages without being told, in frames: 256 MiB. Programs are small.
const MOST_BY_ITSELF: u64 = 64 * 1024;

/// Sets swapping up as the command line says. Once, before the first program.
///
/// # Panics
/// When the command line asks for what cannot be, or there is no memory for the tables.
pub fn initialize(line: &CommandLine) {
    let setting = line.value("swap").map(Setting::parse);
    let setting = setting.map(|parsed| parsed.unwrap_or_else(|error| panic!("cannot start: {error}")));
    let damage = line.parse("swap-corrupt").unwrap_or_else(|error| panic!("cannot start: {error}")).unwrap_or(0);
    let deadline =
        line.parse("swap-deadline").unwrap_or_else(|error| panic!("cannot start: {error}")).unwrap_or(DEADLINE);
    assert!(
        (1..=LONGEST_DEADLINE).contains(&deadline),
        "cannot start: swap-deadline={deadline} on the command line is no number of seconds from 1 to {LONGEST_DEADLINE}"
    );
    let total = frame::counters().total;
    let disk = match setting {
        None | Some(Setting::Disk) => find().unwrap_or_else(|error| panic!("cannot start: swap: {error}")),
        Some(Setting::Off | Setting::Ram(_)) => None,
    };
    let store = match (setting, disk) {
        (Some(Setting::Off), _) => {
            console::line(format_args!("swap off"));
            return;
        }
        (Some(Setting::Disk), None) => {
            panic!("cannot start: swap=disk on the command line, but there is no virtio block device on the PCI bus")
        }
        (_, Some(disk)) => on_disk(disk, total, damage, deadline),
        (Some(Setting::Ram(Some(bytes))), None) => in_memory(bytes / PAGE_SIZE, damage),
        (None | Some(Setting::Ram(None)), None) => in_memory((total / 2).min(MOST_BY_ITSELF), damage),
    };
    set_marks(Marks::of(total));
    install(store);
}

fn in_memory(frames: u64, damage: u64) -> Store {
    let bound = u32::try_from(frames).unwrap_or(BlockPool::MOST_FRAMES);
    let Some(store) = Store::in_memory(bound, damage) else {
        panic!("cannot start: no memory for the tables of {frames} frames of compressed pages")
    };
    console::line(format_args!("swap to compressed memory, at most {} KiB", u64::from(bound) * PAGE_SIZE / 1024));
    store
}

/// A table of slots takes 16 bytes a page, so that more than this would take more memory than it gives.
const SLOTS_PER_FRAME: u64 = 8;

fn on_disk(disk: Disk, total: u64, damage: u64, deadline: u64) -> Store {
    prepare(deadline);
    let interrupts = if disk.interrupts() { "interrupts" } else { "is asked by the timer" };
    let Some(mut store) = Store::on_disk(disk, total * SLOTS_PER_FRAME, damage) else {
        panic!("cannot start: no memory for the table of the swap disk's slots")
    };
    console::line(format_args!("swap to disk, {} pages; the disk {interrupts}", store.slots().count()));
    store
}
