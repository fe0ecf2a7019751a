//! What fault messages, calls and their replies cost in guest instructions, between two programs on one CPU and on two: to
//! be run as the first program with `--icount`, where one tick of the time-stamp counter is one instruction.
//!
//! The client stamps the moment before it sends and the moment at which it went on; the server reads both from the client's
//! registers or from the message, and stamps its own side. The user instructions between the stamps are subtracted.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::abi::{Error, MessageTag, SLOT_FIRST_FREE, rights};
use gatehouse_runtime::message::{
    Suspended, Utcb, copy_capability, create_endpoint, first_utcb, read_fault_registers, resume_thread,
    set_fault_handler, spawn_suspended,
};
use gatehouse_runtime::{Kernel, entry, println};
use programs::check;

entry!(run);

const ROUNDS: usize = 200;
/// The client's arguments.
const FAULTS: u64 = 1;
const CALLS: u64 = 2;

/// User instructions between the stamps, the trapping one not counted, the stamping one counted once.
const FAULT_USER_INSTRUCTIONS: u64 = 3 + 2;
const REPLY_USER_INSTRUCTIONS: u64 = 4 + 1;
const CALL_USER_INSTRUCTIONS: u64 = 6 + 2;

fn run(argument: u64) -> u64 {
    match argument {
        FAULTS => fault_for_ever(),
        CALLS => call_for_ever(),
        _ => measure(),
    }
    0
}

fn measure() {
    let cpus = Kernel::system_information().map_or(1, |system| system.cpus_online);
    let here = Kernel::cpu_number();
    faults("same CPU", here);
    calls("same CPU", here);
    if cpus > 1 {
        faults("other CPU", (here + 1) % cpus);
        calls("other CPU", (here + 1) % cpus);
    }
}

/// What the server's side of an exchange was.
struct Stamped {
    before: u64,
    after: u64,
    tag: u64,
    /// The first two words.
    words: [u64; 2],
}

/// [`SystemCall::ReplyReceive`] with no words between two stamps.
fn reply_receive(endpoint: u64) -> Stamped {
    let (before, after, tag, first, second): (u64, u64, u64, u64, u64);
    #[cfg(target_os = "none")]
    // SAFETY: the registers are those of the ABI; the kernel writes to this thread's UTCB besides and to nothing else.
    unsafe {
        core::arch::asm!(
            "rdtsc",
            "shl rdx, 32",
            "or rdx, rax",
            "mov r14, rdx",
            "mov eax, {number}",
            "syscall",
            "mov r15, rax",
            "mov r8, rdx",
            "rdtsc",
            "shl rdx, 32",
            "or rax, rdx",
            number = const gatehouse_runtime::abi::SystemCall::ReplyReceive as u64,
            inlateout("rdi") endpoint => _,
            in("rsi") MessageTag::default().to_bits(),
            out("rax") after, out("rdx") _, out("r14") before, out("r15") tag, out("r8") first, out("r10") second,
            out("r9") _, out("rcx") _, out("r11") _,
            options(nostack),
        );
    }
    #[cfg(not(target_os = "none"))]
    {
        (before, after, tag, first, second) = (endpoint, 0, 0, 0, 0);
    }
    Stamped { before, after, tag, words: [first, second] }
}

/// Two lists of samples, told as minimum and median.
struct Samples {
    there: [u64; ROUNDS],
    back: [u64; ROUNDS],
}

impl Samples {
    const EMPTY: Self = Self { there: [0; ROUNDS], back: [0; ROUNDS] };

    fn tell(&mut self, there: &str, back: &str, place: &str) {
        for (name, samples) in [(there, &mut self.there), (back, &mut self.back)] {
            samples.sort_unstable();
            println!("cost: {name}, {place}: min {} median {}", samples[0], samples[ROUNDS / 2]);
        }
    }
}

fn start(argument: u64, cpu: u64, utcb: &Utcb) -> (Suspended, u64) {
    let client = spawn_suspended("message_cost", argument, cpu, utcb);
    let endpoint = create_endpoint();
    let (Ok(client), Ok(endpoint)) = (client, endpoint) else {
        check!(false, "no client or no endpoint: {client:?} {endpoint:?}");
        unreachable!("`check!` ends the program")
    };
    (client, endpoint)
}

fn faults(place: &str, cpu: u64) {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let (client, endpoint) = start(FAULTS, cpu, &utcb);
    check!(set_fault_handler(client.thread, endpoint).is_ok(), "the handler is not bound");
    check!(resume_thread(client.thread).is_ok(), "the client does not start");
    let mut samples = Samples::EMPTY;
    let mut last = reply_receive(endpoint);
    for round in 0..ROUNDS {
        let next = reply_receive(endpoint);
        check!(MessageTag::from_bits(next.tag).label() == MessageTag::FAULT, "tag {:#x} of {:#x}", next.tag, last.tag);
        check!(read_fault_registers().is_ok(), "no registers");
        // R12: when it went on after the fault before; R13: when it faulted.
        let [_, _, r13, r12, ..] = utcb.registers().general;
        samples.there[round] = (next.after - r13).saturating_sub(FAULT_USER_INSTRUCTIONS);
        samples.back[round] = (r12 - next.before).saturating_sub(REPLY_USER_INSTRUCTIONS);
        last = next;
    }
    samples.tell("fault to handler", "reply to resumed", place);
}

fn calls(place: &str, cpu: u64) {
    // SAFETY: this is the first thread.
    let utcb = unsafe { first_utcb() };
    let (client, endpoint) = start(CALLS, cpu, &utcb);
    let given = copy_capability(endpoint, rights::SEND, 7, client.program);
    check!(given == Ok(SLOT_FIRST_FREE), "the client's capability: {given:?}");
    check!(resume_thread(client.thread).is_ok(), "the client does not start");
    let mut samples = Samples::EMPTY;
    let mut last = reply_receive(endpoint);
    for round in 0..ROUNDS {
        let next = reply_receive(endpoint);
        check!(Error::from_register(next.tag).is_ok(), "tag {:#x} after {:#x}", next.tag, last.tag);
        let [called, resumed] = next.words;
        samples.there[round] = (next.after - called).saturating_sub(CALL_USER_INSTRUCTIONS);
        samples.back[round] = (resumed - next.before).saturating_sub(REPLY_USER_INSTRUCTIONS);
        last = next;
    }
    samples.tell("call to server", "reply to caller", place);
}

/// Faults by `int3`, which goes on behind itself when it is resumed.
fn fault_for_ever() {
    #[cfg(target_os = "none")]
    // SAFETY: never returns, and uses no memory.
    unsafe {
        core::arch::asm!(
            "2:",
            "rdtsc",
            "shl rdx, 32",
            "or rdx, rax",
            "mov r13, rdx",
            "int3",
            "rdtsc",
            "shl rdx, 32",
            "or rdx, rax",
            "mov r12, rdx",
            "jmp 2b",
            options(noreturn),
        );
    }
}

/// Calls with the moment of the call, and the moment at which it went on after the one before.
fn call_for_ever() {
    #[cfg(target_os = "none")]
    // SAFETY: never returns; the kernel writes to this thread's UTCB and to nothing else.
    unsafe {
        core::arch::asm!(
            "xor r12d, r12d",
            "2:",
            "rdtsc",
            "shl rdx, 32",
            "or rdx, rax",
            "mov r10, r12",
            "mov edi, {slot}",
            "mov esi, {tag}",
            "mov eax, {number}",
            "syscall",
            "rdtsc",
            "shl rdx, 32",
            "or rdx, rax",
            "mov r12, rdx",
            "jmp 2b",
            slot = const SLOT_FIRST_FREE,
            tag = const MessageTag::new(1, 2).to_bits(),
            number = const gatehouse_runtime::abi::SystemCall::Call as u64,
            options(noreturn),
        );
    }
}
