//! Running something on other CPUs and waiting until they have done it.
//!
//! ```text
//!  caller                                        each target
//!  Port::call(targets, operation):
//!    the operation into its own outbox
//!    its bit into each target's mailbox,
//!    kicks each  ─────────────────────────────►  interrupt: Port::answer, for each bit:
//!    waits, and answers its own mailbox            clears the bit (the request is taken)
//!    (poll), so that two CPUs that call            runs the operation in that CPU's outbox
//!    each other both come through                  sets its own bit there: done
//!    all done, or the time is over:
//!    clears the bits that still stand              a bit that is gone is no request any more
//! ```
//!
//! An [`Exchange`] owns the mailboxes and outboxes of all CPUs. Each CPU has one [`Port`] to it, which says who calls and who
//! answers, so that no code can speak for another CPU.
//!
//! # What a caller knows afterwards
//!
//! `Ok` means that every target has run the operation to its end. Otherwise [`Unanswered`] says of each target which of three
//! holds: it has done it, it had begun and may still be at it, or it had not begun and never will. Taking a request and taking
//! it back both clear its bit by one read-modify-write, so that one of them wins; and a target reports the end in a bit of its
//! own, so that nothing is concluded from what it does besides.
//!
//! # Interrupts, nesting, CPUs
//!
//! * [`Port::answer`] and its kin are re-entrant: an interrupt in the middle of an operation may answer as well. Each request is
//!   run once, by whoever takes it. The same holds if a port is used on two CPUs at once, though the operation then does not run
//!   where the caller wanted it.
//! * Interrupts may be on or off. A caller that has them off answers others by `poll`; one that has them on is answered for by
//!   its interrupts too.
//! * A port makes one call at a time: one that is begun while another is made, from an interrupt or from `poll`, is refused
//!   ([`CallError::Busy`]). An operation makes no call.
//! * A kernel whose threads move between CPUs keeps them from it between finding the port and the end of the call.
//!
//! Nothing is allocated, whether a call succeeds or fails: the bits are there since [`Exchange::new`]. Nothing here panics.
//!
//! # Example
//!
//! Two CPUs, played by two threads. A kernel keeps each port in its CPU's record, and its kick sends an interrupt.
//!
//! ```
//! use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
//! use std::time::Instant;
//!
//! use smp::call::{Exchange, Kick, TimeLimit};
//! use smp::{Clock, CpuIndex};
//!
//! struct Nanoseconds(Instant);
//! impl Clock for Nanoseconds {
//!     fn now_ns(&self) -> u64 {
//!         self.0.elapsed().as_nanos() as u64
//!     }
//! }
//!
//! // The other thread looks by itself, so that nothing need be sent.
//! struct LooksByItself;
//! impl Kick for LooksByItself {
//!     type Cpu = CpuIndex;
//!     fn index(&self, cpu: CpuIndex) -> CpuIndex {
//!         cpu
//!     }
//!     fn kick(&self, _: CpuIndex) {}
//! }
//!
//! let exchange = Exchange::<u64>::new(2);
//! let (first, second) = (CpuIndex::new(0), CpuIndex::new(1));
//! let (sum, over) = (AtomicU64::new(0), AtomicBool::new(false));
//! std::thread::scope(|scope| {
//!     scope.spawn(|| {
//!         let port = exchange.port(second).unwrap();
//!         while !over.load(Ordering::Acquire) {
//!             port.answer(|number| _ = sum.fetch_add(number, Ordering::Relaxed));
//!         }
//!     });
//!     let port = exchange.port(first).unwrap();
//!     let clock = Nanoseconds(Instant::now());
//!     let limit = TimeLimit { clock: &clock, ns: 10_000_000_000 };
//!     let result = port.call(&LooksByItself, [second], 7, limit, || {});
//!     assert!(result.is_ok());
//!     assert_eq!(sum.load(Ordering::Relaxed), 7);
//!     over.store(true, Ordering::Release);
//! });
//! ```

mod answer;
mod error;
mod exchange;
#[cfg(all(test, loom))]
mod loom_tests;
mod outbox;
mod place;
mod port;

pub use answer::{Request, Waiting};
pub use error::{CallError, Unanswered};
pub use exchange::Exchange;
pub use port::{Kick, Port, TimeLimit};
