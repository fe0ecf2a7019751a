//! The machines that are checked.

use models::{Config, Object, Op, Sending, SlotConfig, ThreadConfig};

pub fn thread(program: usize, cpu: usize, script: &[Op]) -> ThreadConfig {
    ThreadConfig { program, cpu, script: script.to_vec(), handler: None, limited: false }
}

/// Its faults go to what is in the slot.
pub fn handled(slot: usize, thread: ThreadConfig) -> ThreadConfig {
    ThreadConfig { handler: Some(slot), ..thread }
}

/// The same with a time limit.
pub fn limited(slot: usize, thread: ThreadConfig) -> ThreadConfig {
    ThreadConfig { limited: true, ..handled(slot, thread) }
}

pub fn slots(slots: &[(usize, Option<Object>)]) -> Vec<SlotConfig> {
    slots.iter().map(|(program, object)| SlotConfig { program: *program, object: *object }).collect()
}

pub const E: Option<Object> = Some(Object::Endpoint(0));
pub const N: Option<Object> = Some(Object::Notification(0));
pub const I: Option<Object> = Some(Object::Interrupt);
use Op::{
    Call, ClearBreakpoint, Delete, Fault, Kill, ReadOwed, ReadRegisters, Receive, Reply, ReplyKill, ReplyTo, Save,
    SetHandler, Signal, Wait, WaitLimited,
};
pub const FAULT: Op = Fault(Sending::Fault);
pub const BREAKPOINT: Op = Fault(Sending::Breakpoint);

/// A fault's reply is saved; one thread reads its registers, or replies, while another deletes it.
pub fn saved_reply(cpus: usize, last: Op) -> Config {
    Config {
        cpus,
        threads: vec![
            thread(0, 0, &[Receive(0), Save(1, 0), last]),
            handled(0, thread(0, cpus - 1, &[FAULT])),
            thread(0, 1, &[Delete(1)]),
        ],
        slots: slots(&[(0, E), (0, None)]),
        ..Config::default()
    }
}

/// A server forgets its client and goes; the client's program is killed, or the server's.
pub fn forgotten_client(cpus: usize, killed: usize) -> Config {
    Config {
        cpus,
        threads: vec![
            thread(1, 0, &[Receive(0), Receive(0)]),
            thread(0, 1, &[Call(1), Call(1)]),
            thread(2, (cpus - 2) * 2, &[Kill(killed)]),
        ],
        slots: slots(&[(1, E), (0, E)]),
        ..Config::default()
    }
}

/// A pager that owes a fault's reply waits for a signal of the same program, and is killed.
pub fn signalled_pager(cpus: usize) -> Config {
    Config {
        cpus,
        threads: vec![
            thread(0, 0, &[Receive(0), Wait(1)]),
            handled(3, thread(1, cpus - 1, &[FAULT])),
            thread(1, 0, &[Signal(2)]),
            thread(2, 1, &[Kill(0)]),
        ],
        slots: slots(&[(0, E), (0, N), (1, N), (1, E)]),
        prologue: vec![cpus - 1, 0, 0],
        ..Config::default()
    }
}

/// An interrupt comes while its driver is killed.
pub fn killed_driver(cpus: usize, times: u8) -> Config {
    Config {
        cpus,
        threads: vec![thread(0, 0, &[Wait(0), Wait(0)]), thread(1, 1, &[Kill(0)])],
        slots: slots(&[(0, N), (0, I)]),
        interrupt: Some((0, times, cpus - 2)),
        ..Config::default()
    }
}

/// A saved reply is offered as a fault handler while it is deleted.
pub fn refused_handler(cpus: usize) -> Config {
    Config {
        cpus,
        threads: vec![
            thread(1, 0, &[Receive(0), Save(1, 0), SetHandler(2, 1)]),
            handled(0, thread(0, cpus - 1, &[FAULT])),
            thread(0, cpus - 1, &[BREAKPOINT]),
            thread(1, 1, &[Delete(1)]),
        ],
        slots: slots(&[(1, E), (1, None)]),
        ..Config::default()
    }
}

/// A caller in a queue is received while its program is killed.
pub fn received_while_killed(cpus: usize, message: Op) -> Config {
    Config {
        cpus,
        threads: vec![
            handled(0, thread(0, 0, &[message])),
            thread(2, 0, &[Kill(0)]),
            thread(1, 1, &[Receive(1), Wait(2)]),
            thread(0, (cpus - 2) * 2, &[Wait(3)]),
        ],
        slots: slots(&[(0, E), (1, E), (1, Some(Object::Notification(1))), (0, N)]),
        ..Config::default()
    }
}

/// A breakpoint's handler with a time limit goes, and another one without takes its place.
pub fn outlived_limit(cpus: usize) -> Config {
    Config {
        cpus,
        threads: vec![
            limited(0, thread(0, 0, &[BREAKPOINT, WaitLimited(2)])),
            thread(1, 1, &[Receive(0), Receive(0), Reply]),
            thread(0, cpus - 1, &[SetHandler(0, 1)]),
        ],
        slots: slots(&[(1, E), (0, E), (0, N)]),
        ..Config::default()
    }
}

/// Two handlers' deadlines, and a breakpoint that is cleared meanwhile.
pub fn cleared_limit(cpus: usize) -> Config {
    Config {
        cpus,
        threads: vec![
            limited(0, thread(0, 0, &[BREAKPOINT, BREAKPOINT])),
            thread(1, 1, &[Receive(0), Receive(0)]),
            thread(0, cpus - 1, &[ClearBreakpoint(0)]),
        ],
        slots: slots(&[(1, E)]),
        ..Config::default()
    }
}

/// A breakpoint is cleared while its handler replies and goes on serving.
pub fn cleared_breakpoint(cpus: usize) -> Config {
    Config {
        cpus,
        threads: vec![
            handled(0, thread(0, 0, &[BREAKPOINT, Call(0)])),
            thread(1, 1, &[Receive(0), Reply, Receive(0), Signal(2), Reply, Receive(0), Reply]),
            thread(2, cpus - 1, &[ClearBreakpoint(0)]),
            thread(2, 0, &[Wait(2), Call(1)]),
        ],
        slots: slots(&[(1, E), (2, E), (2, N)]),
        prologue: vec![0],
        ..Config::default()
    }
}

/// A fault is handled, or its program killed by the handler, while the handler's binding and the endpoint go.
pub fn unbound_handler(cpus: usize, message: Op, reply: Op) -> Config {
    Config {
        cpus,
        threads: vec![
            limited(0, thread(0, 0, &[message])),
            thread(1, 1, &[Receive(1), ReadOwed, reply]),
            thread(0, cpus - 1, if cpus == 2 { &[Delete(0), Kill(1)] } else { &[Delete(0)] }),
        ],
        slots: slots(&[(0, E), (1, E)]),
        ..Config::default()
    }
}

/// A fault is sent while its handler's binding goes; nobody receives.
pub fn unreceived_fault(cpus: usize) -> Config {
    Config {
        cpus,
        threads: vec![
            handled(0, thread(0, 0, &[FAULT])),
            thread(1, 1, &[Wait(2)]),
            thread(1, cpus - 1, &[Delete(0)]),
            handled(0, thread(2, 0, &[BREAKPOINT])),
        ],
        slots: slots(&[(0, E), (1, E), (1, N)]),
        ..Config::default()
    }
}

/// Two programs that wait for each other kill each other.
pub fn mutual_kill(cpus: usize) -> Config {
    Config {
        cpus,
        threads: vec![
            thread(0, 0, &[Call(0)]),
            thread(1, 1, &[Receive(1), Reply]),
            thread(0, cpus - 1, &[Kill(1)]),
            thread(1, 0, if cpus == 2 { &[Kill(0)] } else { &[] }),
        ],
        slots: slots(&[(0, E), (1, E)]),
        ..Config::default()
    }
}

/// A limited wait is signalled, is too long, and is killed.
pub fn limited_wait(cpus: usize) -> Config {
    Config {
        cpus,
        threads: vec![
            thread(0, 0, &[WaitLimited(0), WaitLimited(0)]),
            thread(1, 1, &[Signal(1), Delete(1)]),
            thread(1, cpus - 1, &[Kill(0)]),
        ],
        slots: slots(&[(0, N), (1, N)]),
        ..Config::default()
    }
}

/// A machine for so many CPUs.
pub type Make = fn(usize) -> Config;

pub const SCENARIOS: [(&str, Make); 17] = [
    ("registers of a saved reply that is deleted", |cpus| saved_reply(cpus, ReadRegisters(1))),
    ("reply to a saved reply that is deleted", |cpus| saved_reply(cpus, ReplyTo(1))),
    ("a forgotten client is killed", |cpus| forgotten_client(cpus, 0)),
    ("a forgetful server is killed", |cpus| forgotten_client(cpus, 1)),
    ("a signal to a killed pager", signalled_pager),
    ("an interrupt for a killed driver", |cpus| killed_driver(cpus, 2)),
    ("a refused handler", refused_handler),
    ("a caller is received and killed", |cpus| received_while_killed(cpus, Call(0))),
    ("a fault is received and killed", |cpus| received_while_killed(cpus, FAULT)),
    ("a limit and the next handler", outlived_limit),
    ("a limit and a cleared breakpoint", cleared_limit),
    ("a cleared breakpoint and other calls", cleared_breakpoint),
    ("a fault and its handler's end", |cpus| unbound_handler(cpus, FAULT, ReplyKill)),
    ("a breakpoint and its handler's end", |cpus| unbound_handler(cpus, BREAKPOINT, Reply)),
    ("a fault that nobody receives", unreceived_fault),
    ("programs that kill each other", mutual_kill),
    ("a limited wait", limited_wait),
];

/// One thread sends; another of another program receives, and does something; a third does something that ends one of them,
/// or what they have.
pub fn matrix(cpus: usize) -> Vec<Config> {
    let messages = [(Call(0), false), (FAULT, false), (FAULT, true), (BREAKPOINT, false), (BREAKPOINT, true)];
    let serves: [&[Op]; 10] = [
        &[],
        &[Reply],
        &[ReadOwed, ReplyKill],
        &[Receive(1)],
        &[Wait(3)],
        &[Kill(0)],
        &[Save(2, 0)],
        &[Save(2, 0), ReadRegisters(2), Delete(2)],
        &[Save(2, 0), ReplyTo(2)],
        &[Save(2, 0), Delete(2), Signal(3)],
    ];
    let ends: [&[Op]; 9] = [
        &[Kill(0)],
        &[Kill(1)],
        &[Kill(1), Kill(0)],
        &[Delete(0)],
        &[Delete(1), Delete(0)],
        &[Delete(2), Kill(0)],
        &[ClearBreakpoint(0), Kill(1)],
        &[SetHandler(0, 1), SetHandler(0, 0)],
        &[SetHandler(0, 2), ClearBreakpoint(0)],
    ];
    let mut machines = Vec::new();
    for (message, is_limited) in messages {
        for serve in serves {
            for end in ends {
                let client = ThreadConfig { limited: is_limited, ..handled(0, thread(0, 0, &[message, message])) };
                let serve: Vec<_> = [Receive(1)].iter().chain(serve).copied().collect();
                machines.push(Config {
                    cpus,
                    threads: vec![client, thread(1, 1, &serve), thread(2, (cpus - 2) * 2, end)],
                    slots: slots(&[(0, E), (1, E), (1, None), (1, N)]),
                    ..Config::default()
                });
            }
        }
    }
    machines
}
