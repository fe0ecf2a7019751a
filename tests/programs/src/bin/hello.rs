//! The example of `docs/abi.md`: says where it runs, and lets a second thread work.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::ANY_CPU;
use gatehouse_runtime::thread::Thread;
use gatehouse_runtime::time::SECOND;
use gatehouse_runtime::{Kernel, entry, println};

entry!(run);

/// The return value is the exit status.
fn run(argument: u64) -> u64 {
    println!("hello: argument {argument}, on CPU {}", Kernel::cpu_number());
    let helper = Thread::spawn(double, 21, ANY_CPU).expect("the kernel starts a thread");
    let answer = helper.join(SECOND).expect("the thread ends within a second");
    println!("hello: the other thread says {answer}");
    u64::from(answer != 42)
}

fn double(value: u64) -> u64 {
    value * 2
}
