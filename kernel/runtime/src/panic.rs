//! A panic is told on the console and ends the program.

use core::panic::PanicInfo;

use crate::{Kernel, println};

/// The exit status of a program that panicked.
const STATUS: u64 = 101;

#[panic_handler]
fn panic(information: &PanicInfo) -> ! {
    println!("{information}");
    Kernel::exit_program(STATUS)
}
