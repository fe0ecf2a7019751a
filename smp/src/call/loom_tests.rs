//! Every interleaving of small cases, and every order of memory that the language allows.

use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::*;
use crate::atomic::Ordering;
use crate::call::outbox::Claim;
use crate::call::port::Failure;
use crate::{Clock, CpuIndex};

/// A cell that each request adds to, without ordering of its own.
type Sum = Arc<AtomicUsize>;

struct Stopped;

impl Clock for Stopped {
    fn now_ns(&self) -> u64 {
        0
    }
}

/// Leaks the exchange: ports borrow it, and threads must be `'static`.
fn exchange(cpus: u32) -> &'static Exchange<usize> {
    std::boxed::Box::leak(std::boxed::Box::new(Exchange::new(cpus)))
}

fn port(exchange: &'static Exchange<usize>, cpu: u32) -> Port<'static, usize> {
    exchange.port(CpuIndex::new(cpu)).unwrap()
}

/// What a call does until it waits.
fn send<'p>(port: &'p Port<'static, usize>, target: u32, number: usize) -> Claim<'p, usize> {
    let claim = Claim::take(&port.own().outbox).unwrap();
    claim.ready().unwrap().write(number);
    assert!(claim.note_sent(CpuIndex::new(target)));
    port.slot(target).unwrap().mailbox.put(port.place());
    claim
}

fn add(sum: &Sum) -> impl Fn(usize) + '_ {
    |number| {
        sum.fetch_add(number, Ordering::Relaxed);
    }
}

#[test]
fn what_the_target_did_is_visible_when_it_is_done() {
    loom::model(|| {
        let exchange = exchange(3);
        let target = port(exchange, 2);
        let sum = Sum::default();
        let callers: std::vec::Vec<_> = [0, 1]
            .into_iter()
            .map(|caller| {
                let sum = Arc::clone(&sum);
                thread::spawn(move || {
                    let port = port(exchange, caller);
                    let claim = send(&port, 2, caller as usize + 1);
                    claim.is_settled().then(|| sum.load(Ordering::Relaxed))
                })
            })
            .collect();
        let mut ran = target.answer(add(&sum));
        for (caller, handle) in callers.into_iter().enumerate() {
            if let Some(seen) = handle.join().unwrap() {
                assert!(seen == 3 || seen == caller + 1, "caller {caller} saw {seen}");
            }
        }
        ran += target.answer(add(&sum));
        assert_eq!((ran, sum.load(Ordering::Relaxed)), (2, 3));
    });
}

/// Two runs of one CPU's answering, one of which may interrupt the other anywhere: each request is run once.
#[test]
fn answers_that_nest_run_each_request_once() {
    for callers in [1, 2] {
        loom::model(move || {
            let exchange = exchange(3);
            let target = Arc::new(port(exchange, 2));
            let sum = Sum::default();
            let (first, second) = (port(exchange, 0), port(exchange, 1));
            let claims = [(&first, 1), (&second, 10)];
            let claims: std::vec::Vec<_> =
                claims.into_iter().take(callers).map(|(port, number)| send(port, 2, number)).collect();
            let interrupt = {
                let (target, sum) = (Arc::clone(&target), Arc::clone(&sum));
                thread::spawn(move || match target.take_only() {
                    Waiting::Nothing => {}
                    Waiting::More => _ = target.answer(add(&sum)),
                    Waiting::One(request) => {
                        add(&sum)(request.operation());
                        request.done();
                    }
                })
            };
            target.answer(add(&sum));
            interrupt.join().unwrap();
            assert_eq!(sum.load(Ordering::Relaxed), if callers == 1 { 1 } else { 11 });
            assert!(claims.iter().all(Claim::is_settled));
        });
    }
}

/// The caller's time is over at any moment, and it makes another call: `Ok` says that the operation has ended, a request that
/// was taken back is never run, and no operation is read while it is written.
#[test]
fn what_a_caller_is_told_is_so() {
    loom::model(|| {
        let exchange = exchange(2);
        let (begun, ended) = (Sum::default(), Sum::default());
        let target = {
            let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
            thread::spawn(move || {
                let port = port(exchange, 1);
                port.answer(|number| {
                    begun.fetch_add(number, Ordering::Relaxed);
                    ended.fetch_add(number, Ordering::Relaxed);
                });
            })
        };
        let port = port(exchange, 0);
        let claim = send(&port, 1, 1);
        let mut expected = 1;
        match port.name(claim, Failure::TimeIsOver) {
            Ok(()) => assert_eq!(ended.load(Ordering::Relaxed), 1, "told of success while it runs"),
            Err(CallError::Unanswered(unanswered)) => {
                let count = (unanswered.not_begun().count(), unanswered.begun().count());
                assert!(count == (1, 0) || count == (0, 1), "{count:?}");
                if count == (1, 0) {
                    expected = 0;
                    assert_eq!(begun.load(Ordering::Relaxed), 0, "begun, though taken back");
                } else if unanswered.is_done(CpuIndex::new(1)) {
                    assert_eq!(ended.load(Ordering::Relaxed), 1);
                }
            }
            Err(error) => panic!("{error}"),
        }
        // Another operation goes in as soon as the last one is done: the target reads none that is being written.
        let claim = Claim::take(&port.own().outbox).unwrap();
        if let Some(ready) = claim.ready() {
            ready.write(10);
            assert!(claim.note_sent(CpuIndex::new(1)));
            port.slot(1).unwrap().mailbox.put(port.place());
            expected += 10;
        }
        target.join().unwrap();
        let again = exchange.port(CpuIndex::new(1)).unwrap();
        again.answer(add(&ended));
        assert_eq!(ended.load(Ordering::Relaxed), expected);
        assert!(claim.is_settled());
    });
}

/// A port that two threads use at once makes one call at a time.
#[test]
fn a_port_makes_one_call_at_a_time() {
    struct Nothing;
    impl Kick for Nothing {
        type Cpu = CpuIndex;
        fn index(&self, cpu: CpuIndex) -> CpuIndex {
            cpu
        }
        fn kick(&self, _: CpuIndex) {}
    }
    loom::model(|| {
        let exchange = exchange(1);
        let port = Arc::new(port(exchange, 0));
        let call = |port: &Port<'static, usize>, number| {
            let limit = TimeLimit { clock: &Stopped, ns: 0 };
            let claims = !matches!(port.call(&Nothing, [], number, limit, || {}), Err(CallError::Busy));
            usize::from(claims)
        };
        let other = {
            let port = Arc::clone(&port);
            thread::spawn(move || call(&port, 1))
        };
        let made = call(&port, 2) + other.join().unwrap();
        assert!(made >= 1);
    });
}
