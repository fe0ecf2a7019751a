//! A driver outside the kernel for a device that writes to memory and interrupts by MSI-X: an NVMe controller, as far as its
//! queue of administrative commands. Each command makes one interrupt, on one CPU after the other. To be run as the first program.
//!
//! Source: NVM Express Base Specification 1.4, "Controller Registers", "Submission Queue Entry", "Completion Queue Entry" and "Get
//! Features command".
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{Ordering, fence};

use gatehouse_runtime::abi::{Error, SLOT_NONE, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::{Kernel, entry, println};
use programs::raw::device::{
    acknowledge_interrupt, bind_interrupt, create_device_frame, create_message, frame_address, move_interrupt,
    unbind_interrupt,
};
use programs::raw::frame;
use programs::raw::message::copy_capability;
use programs::raw::notification::{create, poll, wait_for};
use programs::{NVME, check, child, cpus, enable_memory, find_function, ok};

entry!(run);

/// Where the two pages of registers are mapped, and the two queues.
const REGISTERS: u64 = 0x7100_0000;
const SUBMISSIONS: u64 = 0x7200_0000;
const COMPLETIONS: u64 = SUBMISSIONS + PAGE_SIZE;

const CONFIGURATION: u64 = 0x14;
const STATUS: u64 = 0x1c;
const QUEUE_SIZES: u64 = 0x24;
const SUBMISSION_BASE: u64 = 0x28;
const COMPLETION_BASE: u64 = 0x30;
const SUBMISSION_TAIL: u64 = 0x1000;
const COMPLETION_HEAD: u64 = 0x1004;

/// In the configuration: enabled, with entries of 64 and of 16 bytes.
const ENABLED: u32 = 1 | 6 << 16 | 4 << 20;
const SUBMISSION_BYTES: u64 = 64;
const COMPLETION_BYTES: u64 = 16;
/// In the status: ready; failed.
const READY: u32 = 1;
const FAILED: u32 = 2;
/// Entries of each queue.
const ENTRIES: u32 = 64;
/// The command Get Features, and the feature: how many queues there may be.
const GET_FEATURES: u32 = 0x0a;
const NUMBER_OF_QUEUES: u32 = 0x07;

const BADGE: u64 = 0x2000;
/// Commands on each CPU: more than the queues have entries.
const COMMANDS: u32 = 100;
const PATIENCE: u64 = 20 * SECOND;

fn read(address: u64) -> u32 {
    // SAFETY: `run` has mapped registers and queues; no reference leads to them.
    unsafe { core::ptr::with_exposed_provenance::<u32>(address as usize).read_volatile() }
}

fn write(address: u64, value: u32) {
    // SAFETY: as in `read`; the device writes to its queue of completions only.
    unsafe { core::ptr::with_exposed_provenance_mut::<u32>(address as usize).write_volatile(value) }
}

/// The queues of administrative commands.
#[derive(Debug, Default)]
struct Queues {
    /// Where the next command goes, and the next completion comes.
    tail: u32,
    head: u32,
    /// The mark that completions have which are left from the round before: that of a new one is the other.
    old_mark: bool,
    /// The command that was given last.
    command: u32,
}

impl Queues {
    fn submit(&mut self) {
        self.command += 1;
        let entry = SUBMISSIONS + u64::from(self.tail) * SUBMISSION_BYTES;
        write(entry, GET_FEATURES | self.command << 16);
        write(entry + 40, NUMBER_OF_QUEUES);
        self.tail = (self.tail + 1) % ENTRIES;
        fence(Ordering::SeqCst);
        write(REGISTERS + SUBMISSION_TAIL, self.tail);
    }

    /// The last word of the next completion, if it has come.
    fn completion(&self) -> Option<u32> {
        let word = read(COMPLETIONS + u64::from(self.head) * COMPLETION_BYTES + 12);
        ((word >> 16 & 1 != 0) != self.old_mark).then_some(word)
    }

    /// Takes the next completion, if it has come: that of the command that was given last.
    fn take(&mut self) -> bool {
        let Some(word) = self.completion() else { return false };
        check!(word & 0xffff == self.command && word >> 17 == 0, "completion {word:#x} of command {}", self.command);
        self.head = (self.head + 1) % ENTRIES;
        self.old_mark ^= self.head == 0;
        write(REGISTERS + COMPLETION_HEAD, self.head);
        true
    }
}

fn run(_: u64) -> u64 {
    let (device, _) = find_function(NVME);
    enable_memory(device);
    let registers = [0, 1].map(|page| ok("registers", create_device_frame(device, 0, page)));
    let memory = [(); 2].map(|()| ok("memory", frame::create()));
    let places = [REGISTERS, REGISTERS + PAGE_SIZE, SUBMISSIONS, COMPLETIONS];
    for (slot, place) in registers.into_iter().chain(memory).zip(places) {
        let mapped = frame::map(slot, SLOT_NONE, place, rights::READ | rights::WRITE);
        check!(mapped == Ok(place), "not mapped: {mapped:?}");
    }
    // From here on the function may write to memory, too.
    let interrupt = ok("message", create_message(device, 0));
    let notification = ok("notification", create().and_then(|all| copy_capability(all, rights::ALL, BADGE, 0)));
    start(memory.map(|slot| ok("address", frame_address(device, slot))));
    check!(bind_interrupt(interrupt, notification) == Ok(0), "not bound");

    let mut queues = Queues::default();
    for cpu in 0..cpus() {
        commands_interrupt(&mut queues, interrupt, notification, cpu);
    }
    what_comes_while_it_is_masked_is_kept(&mut queues, interrupt, notification);

    write(REGISTERS + CONFIGURATION, 0);
    check!(wait_until(PATIENCE, || read(REGISTERS + STATUS) & READY == 0), "it does not stop");
    child::delete(&[interrupt, notification, device]);
    println!("nvme_messages: {} commands on each of {} CPUs", COMMANDS, cpus());
    0
}

/// Starts the controller with queues at these physical addresses.
fn start([submissions, completions]: [u64; 2]) {
    write(REGISTERS + CONFIGURATION, 0);
    check!(wait_until(PATIENCE, || read(REGISTERS + STATUS) & READY == 0), "it does not stop");
    write(REGISTERS + QUEUE_SIZES, (ENTRIES - 1) << 16 | (ENTRIES - 1));
    for (register, address) in [(SUBMISSION_BASE, submissions), (COMPLETION_BASE, completions)] {
        write(REGISTERS + register, address as u32);
        write(REGISTERS + register + 4, (address >> 32) as u32);
    }
    write(REGISTERS + CONFIGURATION, ENABLED);
    let status = || read(REGISTERS + STATUS);
    check!(wait_until(PATIENCE, || status() & (READY | FAILED) != 0), "it does not start");
    check!(status() & FAILED == 0, "it failed: status {:#x}", status());
}

/// Waits until it is told of the completion. It may be told more often than one comes, after it was moved.
fn serve(queues: &mut Queues, interrupt: u64, notification: u64) {
    loop {
        let bits = wait_for(notification, PATIENCE);
        check!(bits == Ok(BADGE), "no interrupt for command {}: {bits:?}", queues.command);
        let is_done = queues.take();
        check!(acknowledge_interrupt(interrupt) == Ok(0), "not acknowledged");
        if is_done {
            return;
        }
    }
}

fn commands_interrupt(queues: &mut Queues, interrupt: u64, notification: u64, cpu: u64) {
    check!(move_interrupt(interrupt, cpu) == Ok(0), "not moved to CPU {cpu}");
    let device_interrupts = || ok("CPU", Kernel::cpu_information(cpu)).device;
    let before = device_interrupts();
    for _ in 0..COMMANDS {
        queues.submit();
        serve(queues, interrupt, notification);
    }
    let came = device_interrupts() - before;
    check!(came >= u64::from(COMMANDS) / 2, "{came} device interrupts on CPU {cpu}");
}

/// A message that the function wants to send while it may not is sent when it may.
fn what_comes_while_it_is_masked_is_kept(queues: &mut Queues, interrupt: u64, notification: u64) {
    check!(unbind_interrupt(interrupt) == Ok(0), "not unbound");
    let _left = poll(notification);
    queues.submit();
    check!(wait_until(PATIENCE, || queues.completion().is_some()), "no completion");
    check!(poll(notification) == Err(Error::WouldBlock), "told when unbound");
    check!(bind_interrupt(interrupt, notification) == Ok(0), "not bound again");
    serve(queues, interrupt, notification);
}
