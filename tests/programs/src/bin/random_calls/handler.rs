//! A handler that answers faults at random: maps the page, lets the thread go on as it is or with any registers, kills, or
//! does not answer.

use core::sync::atomic::{AtomicU64, Ordering};

use gatehouse_runtime::abi::{Error, MessageTag, REPLY_KILL, REPLY_REGISTERS, REPLY_RESUME, ThreadRegisters, rights};
use gatehouse_runtime::memory::PAGE_SIZE;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use programs::raw::message::{Utcb, copy_capability, map_into, receive, reply_receive};
use programs::{PLAIN, check, delete, endpoint, wrong};

use crate::MAX_CPUS;

/// The capability of the program that runs on each CPU; 0 for none.
pub(crate) static CLIENTS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
/// The marked capability that is bound for each CPU; 0 for none.
static BOUND: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
/// Faults so far.
static FAULTS: AtomicU64 = AtomicU64::new(0);

/// The handler's thread and its endpoint.
pub(crate) struct Handler {
    endpoint: u64,
    thread: Thread,
}

impl Handler {
    pub(crate) fn start() -> Self {
        let endpoint = endpoint();
        FAULTS.store(0, Ordering::Relaxed);
        match Thread::spawn(serve, endpoint, 0) {
            Ok(thread) => Self { endpoint, thread },
            Err(error) => wrong(file!(), format_args!("no handler: {error:?}")),
        }
    }

    /// A capability of the endpoint that tells the CPU.
    pub(crate) fn endpoint_for(&self, cpu: usize) -> u64 {
        match copy_capability(self.endpoint, rights::SEND, cpu as u64 + 1, 0) {
            Ok(marked) => marked,
            Err(error) => wrong(file!(), format_args!("no copy of the endpoint: {error:?}")),
        }
    }

    /// Keeps a bound capability until the next one for the CPU comes.
    pub(crate) fn keep(&self, cpu: usize, marked: u64) {
        let last = BOUND[cpu].swap(marked, Ordering::Relaxed);
        if last != 0 {
            delete(last);
        }
    }

    /// Ends the thread; answers how many faults it was told of.
    pub(crate) fn end(self) -> u64 {
        for bound in &BOUND {
            let last = bound.swap(0, Ordering::Relaxed);
            if last != 0 {
                delete(last);
            }
        }
        delete(self.endpoint);
        check!(self.thread.join(20 * SECOND) == Some(0), "the handler does not end");
        FAULTS.load(Ordering::Relaxed)
    }
}

/// Serves until the endpoint is gone.
fn serve(endpoint: u64) -> u64 {
    let utcb = own_utcb();
    let mut random = fastrand::Rng::with_seed(endpoint);
    let mut answer = None;
    loop {
        let message = match answer.take() {
            Some(label) => reply_receive(endpoint, MessageTag::new(label, 0), [0; 4]),
            None => receive(endpoint, PLAIN),
        };
        let message = match message {
            Ok(message) => message,
            Err(Error::Gone | Error::BadCapability) => return 0,
            Err(error) => wrong(file!(), format_args!("the handler receives no more: {error:?}")),
        };
        check!(message.tag.label() == MessageTag::FAULT, "no fault: {message:?}");
        FAULTS.fetch_add(1, Ordering::Relaxed);
        answer = match random.u8(..16) {
            0..8 => {
                let client =
                    CLIENTS.get((message.badge as usize).wrapping_sub(1)).map_or(0, |at| at.load(Ordering::Acquire));
                let mapped = map_into(client, message.words[1] & !(PAGE_SIZE - 1), PAGE_SIZE);
                Some(if mapped.is_ok() { REPLY_RESUME } else { REPLY_KILL })
            }
            8..10 => Some(REPLY_RESUME),
            10..12 => {
                utcb.set_registers(&ThreadRegisters {
                    general: core::array::from_fn(|_| random.u64(..)),
                    instruction_pointer: random.u64(..),
                    stack_pointer: random.u64(..),
                    flags: random.u64(..),
                    fs_base: random.u64(..),
                    gs_base: random.u64(..),
                });
                Some(REPLY_REGISTERS)
            }
            12..14 => Some(random.u16(..)),
            14 => Some(REPLY_KILL),
            _ => None,
        };
    }
}

/// The message buffer of the calling thread, which is the only one besides the first.
fn own_utcb() -> Utcb {
    // The buffers follow each other, and a thread gets the first one that is free.
    // SAFETY: the program has two threads, and this is the second.
    unsafe { Utcb::new(gatehouse_runtime::abi::UTCB_BASE + PAGE_SIZE) }
}
