//! Capabilities that travel in messages, and that move between slots.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, MessageTag, SLOT_ANY, SLOT_FIRST_FREE, rights};
use gatehouse_runtime::{entry, println};
use programs::raw::message::{
    Suspended, Utcb, accept_capabilities, arrived_capability, call, copy_capability, first_utcb, move_capability,
    receive, reply, reply_receive, revoke_capability, send, send_capabilities,
};
use programs::raw::notification::{create, poll, signal};
use programs::{check, child, cpus};

entry!(run);

const PLAIN: MessageTag = MessageTag::new(0, 0);

/// What a second instance does with the endpoint in its first granted slot.
const SIGNAL_WHAT_COMES: u64 = 1;
const GIVE: u64 = 2;
const REFUSE: u64 = 3;

/// The first of the empty slots that are named.
const CHOSEN: u64 = 100;

fn utcb() -> Utcb {
    // SAFETY: only first threads use it.
    unsafe { first_utcb() }
}

fn run(argument: u64) -> u64 {
    match argument {
        SIGNAL_WHAT_COMES => signal_what_comes(),
        GIVE => give(),
        REFUSE => receive(SLOT_FIRST_FREE, PLAIN).map_or(1000, |message| message.tag.capabilities()),
        _ => cases(),
    }
}

/// Receives three capabilities, signals through each, and answers how many arrived.
fn signal_what_comes() -> u64 {
    accept_capabilities(&utcb(), &[SLOT_ANY, CHOSEN, SLOT_ANY]);
    let Ok(message) = receive(SLOT_FIRST_FREE, PLAIN) else { return 1000 };
    let count = message.tag.capabilities();
    for index in 0..count as usize {
        let slot = arrived_capability(&utcb(), index);
        if (index == 1 && slot != CHOSEN) || signal(slot) != Ok(0) {
            return 2000 + index as u64;
        }
    }
    // Its words came, too.
    if message.words != [1, 2, 3, 4] || utcb().get(5) != 55 {
        return 3000;
    }
    match reply(MessageTag::new(0, 1), [count, 0, 0, 0]) {
        // The parent takes them back before it sends this.
        Ok(_) => match receive(SLOT_FIRST_FREE, PLAIN) {
            Ok(_) if signal(CHOSEN) == Err(Error::BadCapability) => count,
            _ => 4000,
        },
        Err(_) => 5000,
    }
}

/// Makes a notification, gives it away in a call, gets another in the reply, and signals that.
fn give() -> u64 {
    let Ok(own) = create() else { return 1000 };
    send_capabilities(&utcb(), &[own]);
    accept_capabilities(&utcb(), &[SLOT_ANY]);
    let Ok(answer) = call(SLOT_FIRST_FREE, PLAIN.with_capabilities(1), [0; 4]) else { return 1001 };
    if answer.tag.capabilities() != 1 || signal(arrived_capability(&utcb(), 0)) != Ok(0) {
        return 1002;
    }
    poll(own).unwrap_or(1003)
}

fn cases() -> u64 {
    for cpu in 0..cpus() {
        three_at_once(cpu);
        in_a_reply(cpu);
        nobody_takes_them(cpu);
    }
    what_cannot_go();
    between_slots();
    println!("capability_transfer: all cases hold on {} CPUs", cpus());
    0
}

fn start(what: u64, cpu: u64) -> (Suspended, u64) {
    let (child, endpoint) = (child::start("capability_transfer", what, cpu), child::endpoint());
    check!(copy_capability(endpoint, rights::ALL, 0, child.program) == Ok(SLOT_FIRST_FREE), "not given");
    child::resume(&child);
    (child, endpoint)
}

fn marked(notification: u64, rights: u64, badge: u64) -> u64 {
    match copy_capability(notification, rights, badge, 0) {
        Ok(copy) => copy,
        Err(error) => programs::wrong(file!(), format_args!("no copy: {error:?}")),
    }
}

fn notification() -> u64 {
    match create() {
        Ok(notification) => notification,
        Err(error) => programs::wrong(file!(), format_args!("no notification: {error:?}")),
    }
}

/// Of three: badges and rights go with them, and taking them back takes those that were sent.
fn three_at_once(cpu: u64) {
    let (child, endpoint) = start(SIGNAL_WHAT_COMES, cpu);
    let notification = notification();
    let copies = [1, 2, 4].map(|badge| marked(notification, rights::SEND | rights::GRANT, badge));
    send_capabilities(&utcb(), &copies);
    utcb().set(5, 55);
    let tag = MessageTag::new(7, 6).with_capabilities(3);
    let answer = call(endpoint, tag, [1, 2, 3, 4]);
    check!(answer.is_ok_and(|answer| answer.words[0] == 3), "{answer:?}");
    check!(poll(notification) == Ok(7), "not all were signalled");
    check!(revoke_capability(notification) == Ok(0), "not revoked");
    check!(send(endpoint, PLAIN, [0; 4]) == Ok(0), "not sent");
    let status = child::exit();
    check!(status == 3, "{status}");
    child::forget(&child);
    child::delete(&[notification, endpoint]);
}

fn in_a_reply(cpu: u64) {
    let (child, endpoint) = start(GIVE, cpu);
    let own = notification();
    // A slot that is freed is used again at once: another one each time.
    let chosen = CHOSEN + 10 * (cpu + 1);
    accept_capabilities(&utcb(), &[chosen]);
    let message = child::message(endpoint);
    check!(message.tag.capabilities() == 1 && arrived_capability(&utcb(), 0) == chosen, "{message:?}");
    check!(signal(chosen) == Ok(0), "not signalled");
    send_capabilities(&utcb(), &[own]);
    check!(reply(PLAIN.with_capabilities(1), [0; 4]) == Ok(0), "not replied");
    check!(child::exit() == 1, "the child did not get the signal");
    check!(poll(own) == Ok(1), "the child did not signal");
    child::forget(&child);
    // The child's own capability went with it; the one that it gave stays.
    check!(signal(chosen) == Ok(0), "what was given went with the giver");
    child::delete(&[chosen, own, endpoint]);
}

/// The message goes without what the receiver has not asked for.
fn nobody_takes_them(cpu: u64) {
    let (child, endpoint) = start(REFUSE, cpu);
    let notification = notification();
    send_capabilities(&utcb(), &[notification]);
    check!(send(endpoint, PLAIN.with_capabilities(1), [0; 4]) == Ok(0), "not sent");
    check!(child::exit() == 0, "a capability arrived");
    child::forget(&child);
    child::delete(&[notification, endpoint]);
}

fn what_cannot_go() {
    let (endpoint, notification) = (child::endpoint(), notification());
    let stays = marked(notification, rights::SEND, 0);
    let tag = PLAIN.non_blocking();
    for (slots, error) in [
        (&[stays][..], Error::NoRight),
        (&[notification, stays], Error::NoRight),
        (&[0], Error::BadCapability),
        (&[4000], Error::BadCapability),
        (&[u64::MAX], Error::BadCapability),
        (&[notification, notification, 4001], Error::BadCapability),
    ] {
        send_capabilities(&utcb(), slots);
        let tag = tag.with_capabilities(slots.len() as u64);
        check!(send(endpoint, tag, [0; 4]) == Err(error), "sent {slots:?}");
        check!(call(endpoint, tag, [0; 4]) == Err(error), "called with {slots:?}");
        check!(reply(tag, [0; 4]) == Err(error), "replied with {slots:?}");
        check!(reply_receive(endpoint, tag, [0; 4]) == Err(error), "replied with {slots:?}");
    }
    send_capabilities(&utcb(), &[notification]);
    check!(send(endpoint, tag.with_capabilities(1), [0; 4]) == Err(Error::WouldBlock), "sent to nobody");
    child::delete(&[stays, notification, endpoint]);
}

fn between_slots() {
    let notification = notification();
    let chosen = CHOSEN + 1;
    let copy = marked(notification, rights::SEND | rights::GRANT, 8);
    check!(move_capability(copy, 0, chosen) == Ok(chosen), "not moved");
    check!(signal(copy) == Err(Error::BadCapability) && signal(chosen) == Ok(0), "it is not where it was moved");
    check!(poll(notification) == Ok(8), "its badge changed");
    check!(move_capability(chosen, 0, notification) == Err(Error::BadCapability), "moved to a slot in use");
    check!(move_capability(chosen, 0, 1 << 32) == Err(Error::BadCapability), "moved to no slot");
    check!(move_capability(chosen, 0, 4097) == Err(Error::BadCapability), "moved beyond the quota");
    check!(move_capability(99, 0, SLOT_ANY) == Err(Error::BadCapability), "moved an empty slot");
    // To another program: it is not ours any more, but derived from what is.
    let child = child::start("capability_transfer", REFUSE, 0);
    let stays = marked(notification, rights::SEND, 0);
    check!(move_capability(stays, child.program, SLOT_ANY) == Err(Error::NoRight), "moved without the right");
    check!(move_capability(chosen, child.program, SLOT_ANY) == Ok(SLOT_FIRST_FREE), "not moved");
    check!(signal(chosen) == Err(Error::BadCapability), "it is here, too");
    check!(revoke_capability(notification) == Ok(0), "not revoked");
    // It found the endpoint's slot empty again.
    child::resume(&child);
    check!(child::exit() == 1000, "the child has something in its slot");
    child::forget(&child);
    child::delete(&[notification]);
}
