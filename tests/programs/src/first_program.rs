//! What only the first program does.

use gatehouse_runtime::{Kernel, println};

/// Ends the machine with a verdict; 0 is pass. Where the kernel refuses, because the caller is not the first
/// program, the verdict becomes the exit status.
pub fn finish(verdict: u64) -> u64 {
    let Err(error) = Kernel::shut_down(verdict);
    println!("the kernel refused to shut down: {error:?}");
    verdict
}
