//! The loop that `debuggee` executes, instruction by instruction, for those who debug it.

use crate::site::site;

/// Turns of the loop.
pub const DEBUGGEE_TURNS: u64 = 10;
/// Instructions from the first one of the site to the system call that ends the program, that one not counted: two before the
/// loop, four in each turn, three behind.
pub const DEBUGGEE_INSTRUCTIONS: u64 = 2 + 4 * DEBUGGEE_TURNS + 3;
/// The argument with which it spins, and never comes to the loop.
pub const DEBUGGEE_SPINS: u64 = 2;
/// Where the variable lies that the loop writes: nothing is mapped there unless somebody maps it.
pub const DEBUGGEE_VARIABLE: u64 = 0x30_0000_0000;

/// The first instruction.
pub const DEBUGGEE_START: u64 = site(0);
/// The instruction that adds 1 to RAX, the first one of the loop.
pub const DEBUGGEE_INCREMENT: u64 = DEBUGGEE_START + 7;
/// Its first byte.
pub const DEBUGGEE_INCREMENT_BYTE: u8 = 0x48;
/// The instruction that writes RAX to the variable.
pub const DEBUGGEE_STORE: u64 = DEBUGGEE_START + 10;
/// The instruction behind that.
pub const DEBUGGEE_BEHIND_STORE: u64 = DEBUGGEE_START + 13;
