//! A server: it keeps a sum for each client, and tells clients apart by the badge of the capability that it gave them.
//! What clients get is a copy of the endpoint's capability with the right to send alone, so that none can receive what is meant for
//! the server, and none can pass itself off as another.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{ANY_CPU, Error, MessageTag};
use gatehouse_runtime::capability::{Capability, Endpoint, Rights, Slot};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::{entry, println};

entry!(run);

const CLIENTS: usize = 4;
/// Labels of requests: add a number, which answers the sum; and the last request of a client.
const ADD: u16 = 1;
const LEAVE: u16 = 2;

fn run(_argument: u64) -> u64 {
    match serve() {
        Ok(sums) => {
            println!("example_server: the sums are {sums:?}");
            u64::from(sums != [55; CLIENTS])
        }
        Err(error) => panic!("the server cannot go on: {error:?}"),
    }
}

/// Starts the clients and answers them until all have left.
fn serve() -> Result<[u64; CLIENTS], Error> {
    let endpoint = Endpoint::create()?;
    for number in 0..CLIENTS {
        let way_in = endpoint.copy(Rights::SEND, number as u64 + 1)?;
        // Not joined: the last request of a client says that it is done.
        let _client = Thread::spawn(client, way_in.slot().number(), ANY_CPU)?;
    }
    let (mut sums, mut left) = ([0; CLIENTS], 0);
    let mut request = endpoint.receive(MessageTag::default())?;
    loop {
        let sum = &mut sums[request.badge as usize - 1];
        match request.tag.label() {
            ADD => *sum += request.words[0],
            LEAVE => left += 1,
            other => println!("example_server: client {} asks for {other}", request.badge),
        }
        let answer = (MessageTag::new(0, 1), [*sum, 0, 0, 0]);
        if left == CLIENTS {
            programs::raw::message::reply(answer.0, answer.1)?;
            return Ok(sums);
        }
        request = endpoint.reply_receive(answer.0, answer.1)?;
    }
}

fn client(slot: u64) -> u64 {
    let server = Endpoint::from_slot(Slot::new(slot));
    let calls = (1..=10).map(|number| (ADD, number)).chain([(LEAVE, 0)]);
    calls.filter(|(label, number)| server.call(MessageTag::new(*label, 1), [*number, 0, 0, 0]).is_err()).count() as u64
}
