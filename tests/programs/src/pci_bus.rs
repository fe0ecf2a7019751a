//! Functions of the first PCI bus.

use crate::raw::device::{create_device, read_configuration, write_configuration};
use crate::raw::message::delete_capability;

use crate::check;

/// Vendor and device of QEMU's NVMe controller, as in its configuration.
pub const NVME: u64 = 0x0010_1b36;

/// Functions of a bus.
const FUNCTIONS: u64 = 256;

/// The register of commands, and in it: the function's memory answers, its line is not kept quiet, and it writes to no memory.
const COMMAND: u64 = 0x04;
const MEMORY_SPACE: u64 = 1 << 1;

/// Lets a function's memory answer.
pub fn enable_memory(device: u64) {
    let written = write_configuration(device, COMMAND, MEMORY_SPACE);
    check!(written == Ok(0), "no memory: {written:?}");
}

/// Looks for a function by vendor and device; answers its capability and its address. Ends the program if there is none.
#[must_use]
pub fn find_function(identity: u64) -> (u64, u64) {
    for address in 0..FUNCTIONS {
        let Ok(device) = create_device(address) else { continue };
        if read_configuration(device, 0) == Ok(identity) {
            return (device, address);
        }
        check!(delete_capability(device).is_ok(), "not deleted: the function at {address:#x}");
    }
    crate::wrong(file!(), format_args!("the machine has no device {identity:#x}"))
}
