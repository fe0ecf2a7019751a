//! A signal to a thread of another program that waits: from the signal until that thread is back in ring 3. The priorities
//! are the same, so it runs when the one that signalled waits in its turn; both calls are a part of the figure.

use gatehouse_runtime::abi::{SLOT_FIRST_FREE, rights};
use gatehouse_runtime::message::{copy_capability, first_utcb, resume_thread, spawn_suspended};
use gatehouse_runtime::notification;
use programs::check;

use crate::client::{self, WAIT};
use crate::plan::{Plan, WARM_UP};
use crate::trace;

pub(crate) const KEYS: &[&str] = &["notification_wake"];

/// Only traced: the other program's stamp would have to be sent.
pub(crate) fn measure(plan: &Plan<'_>) {
    if !plan.trace {
        return;
    }
    let (here, _) = client::cpus();
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let other = spawn_suspended("bench", client::argument(WAIT, 0), here, &utcb);
    let (there, back) = (notification::create(), notification::create());
    let (Ok(other), Ok(there), Ok(back)) = (other, there, back) else {
        programs::wrong(file!(), format_args!("{other:?} {there:?} {back:?}"))
    };
    let given = copy_capability(there, rights::RECEIVE, 0, other.program);
    check!(given == Ok(SLOT_FIRST_FREE), "what it waits for: {given:?}");
    let given = copy_capability(back, rights::SEND, 0, other.program);
    check!(given == Ok(SLOT_FIRST_FREE + 1), "what it signals: {given:?}");
    check!(resume_thread(other.thread).is_ok(), "the other program does not start");
    for round in 0..WARM_UP + plan.rounds() {
        if round >= WARM_UP {
            trace::begin("notification_wake*");
        }
        // The other program marks the end.
        let done = (notification::signal(there), notification::wait(back));
        check!(matches!(done, (Ok(_), Ok(_))), "{done:?}");
    }
}

/// Waits and signals for ever.
pub(crate) fn wait_for_ever() {
    while notification::wait(SLOT_FIRST_FREE).is_ok() {
        trace::end();
        if notification::signal(SLOT_FIRST_FREE + 1).is_err() {
            return;
        }
    }
}
