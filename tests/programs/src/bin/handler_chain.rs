//! A chain of handlers, each of which faults itself while it owes the one before it an answer: the last one's faults come to
//! this first program, and one page from it lets all of them go on. The argument is 0, or a program's place in the chain.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{MessageTag, REPLY_KILL, REPLY_RESUME, SLOT_FIRST_FREE, TrapNumber, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::{entry, println};
use programs::raw::message::{Suspended, copy_capability, map_into, receive, reply};
use programs::{
    PAGED_REGION, PLAIN, check, child, cpus, delete, end, endpoint, fault_in_time, forget, is_shut_down, rounds, start,
};

entry!(run);

/// Programs of the chain. The first is a client only.
const LENGTH: usize = 12;

fn run(argument: u64) -> u64 {
    if argument != 0 {
        return link(argument > 1);
    }
    let cpus = cpus();
    rounds(0..cpus, |first| {
        chain(first, cpus, REPLY_RESUME);
        chain(first, cpus, REPLY_KILL);
    });
    println!("handler_chain: chains of {LENGTH} hold on {cpus} CPUs");
    0
}

/// A program of the chain: waits for the fault of the one before it, if there is one, faults, and answers.
fn link(has_client: bool) -> u64 {
    let message = has_client.then(|| receive(SLOT_FIRST_FREE, PLAIN));
    // SAFETY: nothing else is in the region: the handler maps the page.
    unsafe { (PAGED_REGION as *mut u64).write_volatile(1) };
    if let Some(message) = message {
        let Ok(message) = message else { programs::wrong(file!(), format_args!("no fault: {message:?}")) };
        let mapped = map_into(SLOT_FIRST_FREE + 1, message.words[1] & !(PAGE_SIZE - 1), PAGE_SIZE);
        check!(mapped.is_ok(), "not mapped: {mapped:?}");
        check!(reply(MessageTag::new(REPLY_RESUME, 0), [0; 4]).is_ok(), "not replied");
    }
    0
}

fn chain(first_cpu: u64, cpus: u64, answer: u16) {
    let links: [Suspended; LENGTH] =
        core::array::from_fn(|place| child("handler_chain", place as u64 + 1, (first_cpu + place as u64) % cpus));
    // `endpoints[n]` takes the faults of `links[n]`.
    let endpoints: [u64; LENGTH] = core::array::from_fn(|_| endpoint());
    for place in 1..LENGTH {
        let target = links[place].program;
        let given = [
            copy_capability(endpoints[place - 1], rights::RECEIVE, 0, target),
            copy_capability(links[place - 1].program, rights::WRITE, 0, target),
        ];
        check!(given == [Ok(SLOT_FIRST_FREE), Ok(SLOT_FIRST_FREE + 1)], "{given:?}");
    }
    for place in (0..LENGTH).rev() {
        start(links[place], Some(endpoints[place]));
    }
    let last = LENGTH - 1;
    let (_, fault) = fault_in_time(endpoints[last]);
    check!(fault.cause == TrapNumber::STORE_PAGE_FAULT.to_bits(), "{fault:x?}");
    let mapped = map_into(links[last].program, PAGED_REGION, PAGE_SIZE);
    check!(mapped.is_ok(), "not mapped: {mapped:?}");
    check!(reply(MessageTag::new(answer, 0), [0; 4]).is_ok(), "not replied");
    for _ in 0..LENGTH {
        let end = end();
        let well = match answer {
            REPLY_RESUME => end.cause == 0 && end.status == 0,
            _ => is_shut_down(&end, TrapNumber::STORE_PAGE_FAULT),
        };
        check!(well, "after the answer {answer}: {end:x?}");
    }
    links.into_iter().for_each(forget);
    endpoints.into_iter().for_each(delete);
}
