//! A pager: a thread that gives another program memory where it touches some. The client, `pager_client`, is started suspended and
//! bound to the pager's endpoint; each of its page faults then comes as a message, and the reply lets it go on.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{EndCause, Error, MessageTag, REPLY_KILL, REPLY_RESUME};
use gatehouse_runtime::capability::{Capability, Endpoint, Program, Rights, Slot};
use gatehouse_runtime::pager::{Client, Region};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::PAGED_REGION;
use programs::raw::message::{Message, first_utcb};

entry!(run);

const PAGES: u64 = 32;
const ROUNDS: u64 = 4;

fn run(_argument: u64) -> u64 {
    let end = start().and_then(|()| Kernel::wait_program(30 * SECOND)).expect("the client starts");
    println!("example_pager: the client has ended: {end:?}");
    let well = end.is_some_and(|end| end.cause == EndCause::Exited as u64 && end.status == 0);
    u64::from(!well)
}

/// Starts the client, with a pager on the next CPU.
fn start() -> Result<(), Error> {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let client = Program::spawn_suspended("pager_client", PAGES << 32 | ROUNDS, 0, &utcb)?;
    let endpoint = Endpoint::create()?;
    // The badge tells a pager of several clients whose fault it is: here it is the slot of the only one.
    let handler = endpoint.copy(Rights::SEND, client.program.slot().number())?;
    client.thread.set_fault_handler(handler)?;
    let _pager = Thread::spawn(pager, endpoint.slot().number(), gatehouse_runtime::abi::ANY_CPU)?;
    client.thread.resume()
}

/// Answers faults for as long as the program lives.
fn pager(endpoint: u64) -> u64 {
    let endpoint = Endpoint::from_slot(Slot::new(endpoint));
    let mut fault = endpoint.receive(MessageTag::default());
    while let Ok(message) = fault {
        fault = endpoint.reply_receive(MessageTag::new(resolve(&message), 0), [0; 4]);
    }
    0
}

/// Fresh pages in the client's region; whoever touches something else is shut down.
fn resolve(fault: &Message) -> u16 {
    let regions = [Region::fresh(PAGED_REGION, PAGES)];
    let client = Client { program: Program::from_slot(Slot::new(fault.badge)), regions: &regions };
    match client.resolve(fault) {
        Ok(_) => REPLY_RESUME,
        Err(refused) => {
            println!("example_pager: the client is shut down: {refused}");
            REPLY_KILL
        }
    }
}
