//! How urgent threads are.

/// How many priorities there are: 0 to one below this, which is the most urgent. One bit of a word for each.
pub const PRIORITIES: usize = *gatehouse_abi::PRIORITIES.end() as usize + 1;

const _: () = assert!(PRIORITIES == u64::BITS as usize, "one bit a priority");
