//! One after another: who has the right, and what the client knows of its server. `loom_tests` has all at once.

use super::*;

struct Node {
    right: ReplyRight<Node>,
    server: Link<Node>,
}

// SAFETY: the tests take each client back before its server goes.
unsafe impl Linked for Node {}

impl Party for Node {
    fn reply_right(&self) -> &ReplyRight<Self> {
        &self.right
    }

    fn server(&self) -> &Link<Self> {
        &self.server
    }
}

/// Nothing is freed while a test runs.
struct Held;

// SAFETY: the nodes live until the end of the test.
unsafe impl Stable for Held {}

fn node() -> Arc<Node> {
    Arc::new(Node { right: ReplyRight::none(), server: Link::none() })
}

#[test]
fn a_server_owes_until_its_client_is_taken_once() {
    for owed in [Owed::Answer, Owed::Breakpoint] {
        let (server, client) = (node(), node());
        assert!(server.right.is_none() && server.right.client().is_null() && server.right.take().is_none());
        owe(&*server, Arc::clone(&client), owed);
        assert!(!server.right.is_none());
        assert_eq!(server.right.client(), Arc::as_ptr(&client));
        assert!(client.server.leads_to(&server));
        let taken = server.right.take().expect("it is owed");
        assert!(Arc::ptr_eq(&taken, &client));
        assert!(!client.server.is_set() && server.right.is_none() && server.right.take().is_none());
        drop(taken);
        assert_eq!(Arc::strong_count(&client), 1, "the right owns nothing any more");
    }
}

#[test]
fn a_client_is_taken_from_outside_whatever_it_is_owed() {
    for owed in [Owed::Answer, Owed::Breakpoint] {
        let (server, client) = (node(), node());
        assert!(take_client(&*client, &Held).is_none());
        owe(&*server, Arc::clone(&client), owed);
        let taken = take_client(&*client, &Held).expect("it is owed");
        assert!(Arc::ptr_eq(&taken, &client) && !client.server.is_set());
        assert!(server.right.take().is_none() && take_client(&*client, &Held).is_none());
    }
}

#[test]
fn who_clears_breakpoints_takes_no_call() {
    let (server, client) = (node(), node());
    assert!(take_client_at_breakpoint(&*client, &Held).is_none());
    owe(&*server, Arc::clone(&client), Owed::Answer);
    assert!(take_client_at_breakpoint(&*client, &Held).is_none());
    assert!(client.server.leads_to(&server) && server.right.take().is_some());
    owe(&*server, Arc::clone(&client), Owed::Breakpoint);
    assert!(take_client_at_breakpoint(&*client, &Held).is_some_and(|taken| Arc::ptr_eq(&taken, &client)));
    assert!(!client.server.is_set() && server.right.is_none());
}

#[test]
fn the_reply_to_a_fault_says_if_it_was_a_breakpoint() {
    for &number in TrapNumber::ALL {
        let expected = if number.is_breakpoint() { Owed::Breakpoint } else { Owed::Answer };
        assert_eq!(Owed::for_fault(number), expected);
    }
    assert_eq!(Owed::for_fault(TrapNumber::SPURIOUS), Owed::Answer);
}
