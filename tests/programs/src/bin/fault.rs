//! Takes one fault: that of [`Fault`] whose number is the argument. Makes no system call before it.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::{entry, println};
use programs::{Fault, enter_site, sites};

entry!(run);

/// The exit status when the argument is no fault.
const NO_SUCH_FAULT: u64 = 2;

fn run(argument: u64) -> u64 {
    let Some(fault) = Fault::from_number(argument) else {
        println!("fault: there is no fault {argument}");
        return NO_SUCH_FAULT;
    };
    // SAFETY: every fault has its site below; to be shut down for what it does is what this program is for.
    unsafe { enter_site(fault as u64, fault.operand()) }
}

sites! {
    Fault::LoadUnmapped as u64 => "mov rax, [rdi]",
    Fault::StoreUnmapped as u64 => "mov [rdi], rax",
    Fault::StoreToCode as u64 => "mov [rdi], rax",
    Fault::LoadFromKernel as u64 => "mov rax, [rdi]",
    Fault::ExecuteUnmapped as u64 => "jmp rdi",
    Fault::ExecuteStack as u64 => "jmp rsp",
    Fault::ExecuteNull as u64 => "jmp rdi",
    Fault::LoadNonCanonical as u64 => "mov rax, [rdi]",
    Fault::StoreNonCanonical as u64 => "mov [rdi], rax",
    Fault::InvalidOpcode as u64 => "ud2",
    Fault::DivideByZero as u64 => "div esi",
    Fault::PrivilegedInstruction as u64 => "cli",
    Fault::ClosedGate as u64 => "int 0x20",
    Fault::Breakpoint as u64 => "int3",
    Fault::Overflow as u64 => "int 4",
    // The operand has TF set, so the trap comes after `nop`.
    Fault::SingleStep as u64 => "push rdi\npopfq\nnop",
    Fault::StackOverflow as u64 => "3: push rsi\njmp 3b",
}
