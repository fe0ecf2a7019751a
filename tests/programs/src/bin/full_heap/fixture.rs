//! What the calls are made on.

use core::cell::Cell;

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{MessageTag, SystemInformation};
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::{MILLISECOND, SECOND, wait_until};
use programs::raw::device::create_device;
use programs::raw::frame;
use programs::raw::message::{Suspended, call, receive};
use programs::{PLAIN, check, child, endpoint, in_use, wrong};

/// The argument of an instance of this program that exits.
pub const EXITS: u64 = 1;

/// The function of a SATA controller on `q35`: its registers are region 5.
const CONTROLLER: u64 = 0x1f << 3 | 2;

/// What the calls are made on.
pub struct Fixture {
    /// A program that does not run.
    pub child: Suspended,
    /// A frame.
    pub frame: u64,
    /// A device with registers.
    pub device: u64,
    /// Where a thread calls, again and again. Its last call is received already.
    pub calls: u64,
    /// A child that a call has just made.
    pub made: Cell<Option<Suspended>>,
}

impl Fixture {
    pub fn new() -> Self {
        let calls = endpoint();
        let client = Thread::spawn(call_again, calls, Kernel::cpu_number());
        check!(client.is_ok(), "no client: {:?}", client.err());
        let fixture = Self {
            child: child("full_heap", EXITS, Kernel::cpu_number()),
            frame: made(frame::create(), "frame"),
            device: made(create_device(CONTROLLER), "device"),
            calls,
            made: Cell::new(None),
        };
        fixture.receive_call();
        fixture
    }

    /// Waits for the client.
    pub fn receive_call(&self) {
        let message = receive(self.calls, PLAIN);
        check!(message.is_ok(), "nobody calls: {:?}", message.err());
    }

    /// Waits until nothing changes any more.
    pub fn settle(&self) {
        let last = Cell::new(in_use());
        let same = wait_until(2 * SECOND, || {
            Kernel::sleep(2 * MILLISECOND);
            let now: SystemInformation = in_use();
            last.replace(now) == now
        });
        check!(same, "what is in use changes all the time: {:?}", last.get());
    }
}

/// What there must be.
pub fn made<T, E: core::fmt::Debug>(answer: Result<T, E>, what: &str) -> T {
    match answer {
        Ok(made) => made,
        Err(error) => wrong(file!(), format_args!("no {what}: {error:?}")),
    }
}

/// Calls for ever.
fn call_again(calls: u64) -> u64 {
    loop {
        let answer = call(calls, MessageTag::new(0, 0), [0; 4]);
        check!(answer.is_ok(), "no answer: {:?}", answer.err());
    }
}
