//! Asks the kernel for one trap in itself: a first program, for a machine that was booted with the words `test-hooks`,
//! `hook=NUMBER` and `argument=NUMBER` (decimal, or hexadecimal behind `0x`). `argument=block` is the address of CPU 0's
//! processor information block, `argument=guard` the last word below its interrupt stack. Says what came back, if anything did.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::TestHook;
use gatehouse_runtime::test_hook::test_hook;
use gatehouse_runtime::{Kernel, entry, println};
use programs::{check, number_in};

entry!(run);

fn run(_argument: u64) -> u64 {
    let mut buffer = [0; 1024];
    let line = Kernel::command_line(&mut buffer).unwrap_or("");
    let hook = number_in(line, "hook=").and_then(TestHook::from_number);
    let Some(hook) = hook else { programs::wrong(file!(), format_args!("no hook=NUMBER on the command line: {line}")) };
    let has = |word| line.split_ascii_whitespace().any(|other| other == word);
    let Ok(first) = Kernel::cpu_information(0) else { programs::wrong(file!(), format_args!("no CPU 0")) };
    let argument = match () {
        () if has("argument=block") => first.block,
        () if has("argument=guard") => first.interrupt_stack_base - 8,
        () => number_in(line, "argument=").unwrap_or(0),
    };
    println!("test_hook: {hook:?} with {argument:#x}");
    // SAFETY: whoever booted the machine wants this.
    let answer = unsafe { test_hook(hook, argument) };
    println!("test_hook: came back with {answer:x?}");
    check!(answer.is_ok(), "{hook:?} was refused: {answer:?}");
    0
}
