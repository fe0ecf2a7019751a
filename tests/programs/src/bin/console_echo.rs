//! Reads what comes by the console and says what it was.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, SLOT_NONE, rights};
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};
use programs::check;
use programs::raw::device::{bind_console, create_interrupt, read_console};
use programs::raw::message::copy_capability;
use programs::raw::notification::{create, poll, wait_for};

entry!(run);

const BADGE: u64 = 0x20;
/// COM1's line on the ISA bus.
const LINE: u64 = 4;
/// Bytes of the block: more than kernel and controller keep together.
const BLOCK: u64 = 10_000;
/// Hundredths of a second that a byte may take.
const PATIENCE: u64 = 6000;

fn run(_: u64) -> u64 {
    let notification = create().and_then(|all| copy_capability(all, rights::ALL, BADGE, 0));
    let Ok(notification) = notification else { programs::wrong(file!(), format_args!("{notification:?}")) };
    wrong_arguments(notification);
    check!(bind_console(notification) == Ok(0), "not bound");
    println!("console_echo: ready for words");
    words(notification);
    println!("console_echo: ready for a block");
    // Nobody reads for a while, which is the subject: what there is no room for has to wait outside.
    Kernel::sleep(SECOND / 5);
    block(notification);
    check!(bind_console(SLOT_NONE) == Ok(0), "not unbound");
    unbound(notification);
    let information = Kernel::system_information();
    check!(information.is_ok_and(|information| information.console_received >= BLOCK), "{information:?}");
    println!("console_echo: all came");
    0
}

/// Waits until bytes have come, and takes some.
fn read(notification: u64, buffer: &mut [u8]) -> usize {
    loop {
        match read_console(buffer) {
            Ok(0) => {
                let bits = wait_for(notification, 60 * SECOND);
                check!(bits == Ok(BADGE), "nothing comes: {bits:?}");
            }
            Ok(count) => return count,
            Err(error) => programs::wrong(file!(), format_args!("not read: {error:?}")),
        }
    }
}

/// Says each line back, until one is `end`.
fn words(notification: u64) {
    let mut line = [0; 64];
    let mut length = 0;
    loop {
        check!(length < line.len(), "no line end in {} bytes", line.len());
        read(notification, &mut line[length..=length]);
        if line[length] != b'\n' {
            length += 1;
            continue;
        }
        let text = core::str::from_utf8(&line[..length]).unwrap_or("(no text)");
        if text == "end" {
            return;
        }
        println!("console_echo: {text}");
        length = 0;
    }
}

/// Numbers from 0 to 250, again and again.
fn block(notification: u64) {
    let mut buffer = [0; 300];
    let mut position = 0;
    while position < BLOCK {
        let count = read(notification, &mut buffer);
        for byte in &buffer[..count] {
            check!(u64::from(*byte) == position % 251, "{byte} at {position}");
            position += 1;
        }
    }
    check!(position == BLOCK, "{position} bytes");
}

/// Whoever is not bound any more is told nothing, and bytes come none the less.
fn unbound(notification: u64) {
    // Told before: the last bytes may have been read before anybody waited for them.
    let before = poll(notification);
    check!(matches!(before, Ok(BADGE) | Err(Error::WouldBlock)), "told of {before:?}");
    println!("console_echo: ready for silence");
    let mut byte = [0];
    for _ in 0..PATIENCE {
        match read_console(&mut byte) {
            Ok(0) => Kernel::sleep(SECOND / 100),
            read => {
                check!(read == Ok(1) && byte == *b"!", "read {read:?}: {byte:?}");
                check!(poll(notification) == Err(Error::WouldBlock), "told of a byte after it was unbound");
                return;
            }
        }
    }
    programs::wrong(file!(), format_args!("nothing came"));
}

fn wrong_arguments(notification: u64) {
    let mut large = [0; 4097];
    check!(read_console(&mut large) == Err(Error::InvalidArgument), "read more than there may be");
    check!(read_console(&mut large[..4096]) == Ok(0), "read what nobody has sent");
    check!(create_interrupt(LINE) == Err(Error::WrongState), "the kernel's own line was given away");
    let weak = copy_capability(notification, rights::RECEIVE, 0, 0);
    let Ok(weak) = weak else { programs::wrong(file!(), format_args!("{weak:?}")) };
    check!(bind_console(weak) == Err(Error::NoRight), "bound without the right");
    check!(bind_console(1) == Err(Error::BadCapability), "a program is no notification");
}
