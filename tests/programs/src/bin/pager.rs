//! Pagers in user space: a first program with a pager thread on each CPU and, beside it, a client whose page faults it
//! resolves. With `pager=one` on the command line a single pager, on the first CPU, serves the clients of all CPUs.
//! `faults=N` is how many page faults each client takes, at least.
#![cfg_attr(target_os = "none", no_std, no_main)]

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{EndCause, Error, MessageTag, REPLY_KILL, REPLY_RESUME, TrapNumber, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::message::{
    Suspended, copy_capability, create_endpoint, delete_capability, first_utcb, map_into, reply_receive, resume_thread,
    set_fault_handler, spawn_suspended,
};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::{PAGED_REGION, check, cpus};

entry!(run);

/// Pages that a client touches in a round.
const PAGES: u64 = 64;
/// The most clients: the badge tells them apart.
const MAX_CLIENTS: usize = 64;

/// The program capability of each client, by badge.
static CLIENTS: [AtomicU64; MAX_CLIENTS + 1] = [const { AtomicU64::new(0) }; MAX_CLIENTS + 1];
/// The endpoint that each pager thread serves, by its number.
static ENDPOINTS: [AtomicU64; MAX_CLIENTS] = [const { AtomicU64::new(0) }; MAX_CLIENTS];
/// Page faults that were resolved.
static RESOLVED: AtomicU64 = AtomicU64::new(0);

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let one_pager = line.split_whitespace().any(|word| word == "pager=one");
    let wanted = line.split_whitespace().find_map(|word| word.strip_prefix("faults=")?.parse::<u64>().ok());
    let rounds = wanted.unwrap_or(4_096).div_ceil(PAGES);
    let count = (cpus() as usize).min(MAX_CLIENTS);

    let pagers = if one_pager { 1 } else { count };
    for (number, place) in ENDPOINTS.iter().enumerate().take(pagers) {
        let Ok(endpoint) = create_endpoint() else { programs::wrong(file!(), format_args!("no endpoint")) };
        place.store(endpoint, Ordering::Relaxed);
        let started = Thread::spawn(serve, number as u64, number as u64);
        check!(started.is_ok(), "no pager thread {number}: {started:?}");
    }
    let frames_before = Kernel::system_information().map_or(0, |system| system.frames_in_use);
    let start = Kernel::clock();
    for number in 0..count {
        let client = start_client(number, ENDPOINTS[number % pagers].load(Ordering::Relaxed), rounds);
        check!(client.is_ok(), "client {number}: {client:?}");
    }
    for _ in 0..count {
        let end = Kernel::wait_program(300 * SECOND);
        let Ok(Some(end)) = end else { programs::wrong(file!(), format_args!("a client does not end: {end:?}")) };
        check!(end.cause == EndCause::Exited as u64 && end.status == 0, "{end:x?}");
    }
    let nanoseconds = Kernel::clock() - start;
    for client in &CLIENTS[1..=count] {
        let deleted = delete_capability(client.load(Ordering::Relaxed));
        check!(deleted.is_ok(), "{deleted:?}");
    }
    let resolved = RESOLVED.load(Ordering::Relaxed);
    let frames_after = Kernel::system_information().map_or(0, |system| system.frames_in_use);
    println!(
        "pager: {resolved} page faults of {count} clients resolved by {pagers} pagers in {} ms, {} frames kept",
        nanoseconds / 1_000_000,
        frames_after.wrapping_sub(frames_before) as i64
    );
    check!(resolved == count as u64 * rounds * PAGES, "{resolved} faults, expected {}", count as u64 * rounds * PAGES);
    check!(frames_after == frames_before, "{frames_before} frames before, {frames_after} after");
    // The pager threads wait for faults that do not come: ending the program ends them there.
    Kernel::exit_program(0)
}

/// Starts a client on the CPU with its number, with its faults bound to the endpoint.
fn start_client(number: usize, endpoint: u64, rounds: u64) -> Result<Suspended, Error> {
    // SAFETY: only the first thread comes here.
    let utcb = unsafe { first_utcb() };
    let client = spawn_suspended("pager_client", PAGES << 32 | rounds, number as u64, &utcb)?;
    let badge = number as u64 + 1;
    CLIENTS[badge as usize].store(client.program, Ordering::Release);
    let marked = copy_capability(endpoint, rights::SEND, badge, 0)?;
    set_fault_handler(client.thread, marked)?;
    resume_thread(client.thread)?;
    Ok(client)
}

/// A pager: maps a fresh page wherever a client touches its region, and kills it for anything else.
fn serve(number: u64) -> u64 {
    let endpoint = ENDPOINTS[number as usize].load(Ordering::Relaxed);
    let mut label = REPLY_RESUME;
    loop {
        let Ok(message) = reply_receive(endpoint, MessageTag::new(label, 0), [0; 4]) else { return 1 };
        let [cause, address, ..] = message.words;
        label = if resolve(message.badge, TrapNumber::from_bits(cause), address) { REPLY_RESUME } else { REPLY_KILL };
    }
}

fn resolve(badge: u64, cause: TrapNumber, address: u64) -> bool {
    let is_access = matches!(cause, TrapNumber::LOAD_PAGE_FAULT | TrapNumber::STORE_PAGE_FAULT);
    let in_region = (PAGED_REGION..PAGED_REGION + PAGES * PAGE_SIZE).contains(&address);
    let Some(client) = CLIENTS.get(badge as usize) else { return false };
    if !is_access || !in_region {
        return false;
    }
    RESOLVED.fetch_add(1, Ordering::Relaxed);
    // Another thread of the client may have touched the same page, and been answered, meanwhile.
    matches!(
        map_into(client.load(Ordering::Acquire), address & !(PAGE_SIZE - 1), PAGE_SIZE),
        Ok(_) | Err(Error::AlreadyMapped)
    )
}
