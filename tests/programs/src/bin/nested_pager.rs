//! A pager that faults itself while it owes a client its answer: its own handler serves it, or it has none, or is killed.
//! A first program, which is the handler of the pager; its argument is 0, that of pager and client what they are.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{MessageTag, REPLY_KILL, REPLY_RESUME, SLOT_FIRST_FREE, TrapNumber, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::{entry, println};
use programs::raw::message::{Suspended, copy_capability, map_into, receive, reply};
use programs::{
    PAGED_REGION, PLAIN, check, child, cpus, delete, end, endpoint, exits_well, fault_in_time, forget, is_shut_down,
    rounds, start,
};

entry!(run);

const PAGER: u64 = 1;
const CLIENT: u64 = 2;
/// Pages that the client touches, and the pager for each of its faults.
const PAGES: u64 = 8;

/// What the pager's handler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handler {
    Serves,
    Kills,
    None,
}

fn run(argument: u64) -> u64 {
    match argument {
        PAGER => pager(),
        CLIENT => touch(PAGES),
        _ => {
            let cpus = cpus();
            rounds(0..cpus * cpus, |pair| {
                for handler in [Handler::Serves, Handler::Kills, Handler::None] {
                    case(handler, pair / cpus, pair % cpus);
                }
            });
            println!("nested_pager: all cases hold on {cpus} CPUs");
            0
        }
    }
}

/// Touches pages from the first on that is not mapped.
fn touch(pages: u64) -> u64 {
    for page in 0..pages {
        let word = (PAGED_REGION + page * PAGE_SIZE) as *mut u64;
        // SAFETY: nothing else is in the region: whoever handles the fault maps what is touched.
        unsafe { word.write_volatile(page + 1) };
        // SAFETY: as above.
        let seen = unsafe { word.read_volatile() };
        check!(seen == page + 1, "page {page} holds {seen}");
    }
    0
}

/// Serves its client, whose capability lies behind that of the endpoint, and touches memory of its own each time.
fn pager() -> u64 {
    for round in 0..PAGES {
        let message = receive(SLOT_FIRST_FREE, PLAIN);
        let Ok(message) = message else { programs::wrong(file!(), format_args!("no fault: {message:?}")) };
        touch(round + 1);
        let mapped = map_into(SLOT_FIRST_FREE + 1, message.words[1] & !(PAGE_SIZE - 1), PAGE_SIZE);
        check!(mapped.is_ok(), "not mapped: {mapped:?}");
        check!(reply(MessageTag::new(REPLY_RESUME, 0), [0; 4]).is_ok(), "not replied");
    }
    0
}

fn pair(pager_cpu: u64, client_cpu: u64) -> (Suspended, Suspended, u64) {
    let (pager, client) = (child("nested_pager", PAGER, pager_cpu), child("nested_pager", CLIENT, client_cpu));
    let faults = endpoint();
    let given = [
        copy_capability(faults, rights::RECEIVE, 0, pager.program),
        copy_capability(client.program, rights::WRITE, 0, pager.program),
    ];
    check!(given == [Ok(SLOT_FIRST_FREE), Ok(SLOT_FIRST_FREE + 1)], "{given:?}");
    (pager, client, faults)
}

fn case(handler: Handler, pager_cpu: u64, client_cpu: u64) {
    let (pager, client, client_faults) = pair(pager_cpu, client_cpu);
    let pager_faults = endpoint();
    start(pager, (handler != Handler::None).then_some(pager_faults));
    start(client, Some(client_faults));
    if handler == Handler::Serves {
        for page in 0..PAGES {
            let (_, fault) = fault_in_time(pager_faults);
            check!(fault.address == PAGED_REGION + page * PAGE_SIZE, "{fault:x?}");
            let mapped = map_into(pager.program, fault.address, PAGE_SIZE);
            check!(mapped.is_ok(), "not mapped: {mapped:?}");
            check!(reply(MessageTag::new(REPLY_RESUME, 0), [0; 4]).is_ok(), "not replied");
        }
        // Both end after the last answer, in no order.
        let ends = [end(), end()];
        check!(ends.iter().all(|end| end.cause == 0 && end.status == 0), "{ends:x?}");
    } else {
        if handler == Handler::Kills {
            let (_, fault) = fault_in_time(pager_faults);
            check!(fault.cause == TrapNumber::STORE_PAGE_FAULT.to_bits(), "{fault:x?}");
            check!(reply(MessageTag::new(REPLY_KILL, 0), [0; 4]).is_ok(), "not replied");
        }
        // The pager, and with it its client, to whom nobody else owes the answer.
        let ends = [end(), end()];
        check!(ends.iter().all(|end| is_shut_down(end, TrapNumber::STORE_PAGE_FAULT)), "{handler:?}: {ends:x?}");
    }
    forget(pager);
    forget(client);
    delete(client_faults);
    delete(pager_faults);
    if handler == Handler::None {
        still_works();
    }
}

/// The machine is as good as before.
fn still_works() {
    let other = child("hello", 0, 0);
    start(other, None);
    exits_well(other);
    forget(other);
}
