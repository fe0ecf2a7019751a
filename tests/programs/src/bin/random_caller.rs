//! Makes random system calls with random arguments until it is killed: what the first program `random_calls` sacrifices. Its
//! argument is the seed.
#![cfg_attr(target_os = "none", no_std, no_main)]

use fastrand::Rng;
use gatehouse_runtime::abi::{ANY_CPU, MessageTag, SystemCall, UTCB_BASE};
use gatehouse_runtime::entry;
use gatehouse_runtime::entry_point::{EntryPoint, Int80, Syscall};
use gatehouse_runtime::memory::{IMAGE_BASE, PAGE_SIZE};
use programs::{KERNEL_DIRECT_MAP, KERNEL_IMAGE, PAGED_REGION, UNMAPPED};

entry!(run);

/// Pages around which most addresses lie.
const PAGES: u64 = 16;
/// The end of the first thread's stack.
const STACK_TOP: u64 = 0x7fff_ffff_e000;
/// One call in so many may be one that ends or blocks the thread, or the program.
const RARITY: u64 = 256;

fn run(seed: u64) -> u64 {
    call_for_ever(seed)
}

/// Where threads begin that the calls start: at the address of this, or anywhere.
fn call_for_ever(seed: u64) -> ! {
    let mut random = Rng::with_seed(seed);
    loop {
        let number = number(&mut random);
        let mut arguments = core::array::from_fn(|_| value(&mut random));
        if let Some(call) = SystemCall::from_number(number) {
            calm(&mut random, call, &mut arguments);
        }
        // SAFETY: none: whatever the kernel does to this program is borne by it. To see that it does so to no other is what
        // the program is for.
        unsafe {
            match random.u8(..) & 3 {
                0 => Int80::call_number(number, arguments),
                _ => Syscall::call_number(number, arguments),
            };
        }
        if random.u16(..1024) == 0 {
            // Now and then a fault, for its handler if it has one.
            let address = value(&mut random);
            // SAFETY: as above.
            unsafe { (address as *const u8).read_volatile() };
        }
    }
}

fn number(random: &mut Rng) -> u64 {
    loop {
        let number = match random.u8(..) {
            0..4 => random.u64(..),
            4..8 => random.u64(..1024),
            _ => random.u64(..SystemCall::ALL.len() as u64),
        };
        let is_rare = SystemCall::from_number(number).is_some_and(ends_or_blocks);
        if !is_rare || random.u64(..RARITY) == 0 {
            return number;
        }
    }
}

/// Calls that end, block or multiply the caller, or fill the console.
const fn ends_or_blocks(call: SystemCall) -> bool {
    matches!(
        call,
        SystemCall::ExitThread
            | SystemCall::ExitProgram
            | SystemCall::Sleep
            | SystemCall::SpawnThread
            | SystemCall::DebugWrite
            | SystemCall::KillProgram
            | SystemCall::SuspendThread
    )
}

/// Makes most calls such that they come back.
fn calm(random: &mut Rng, call: SystemCall, arguments: &mut [u64; 6]) {
    if random.u64(..RARITY) == 0 {
        return;
    }
    let non_blocking = MessageTag::new(0, 0).non_blocking().to_bits();
    match call {
        SystemCall::Send | SystemCall::Call => arguments[1] |= non_blocking,
        SystemCall::Receive | SystemCall::ReplyReceive => arguments[1] |= non_blocking,
        SystemCall::Wait => arguments[1] = 0,
        SystemCall::Sleep => arguments[0] %= 100_000,
        // A moment that is over.
        SystemCall::SleepUntil => arguments[0] %= 1 << 20,
        SystemCall::SpawnThread => {
            arguments[0] = call_for_ever as *const () as u64;
            arguments[1] = PAGED_REGION + random.u64(1..=PAGES) * PAGE_SIZE;
            arguments[3] = if random.bool() { ANY_CPU } else { random.u64(..8) };
        }
        SystemCall::MapMemory => {
            arguments[0] = PAGED_REGION + random.u64(..PAGES) * PAGE_SIZE;
            arguments[1] = random.u64(..4) * PAGE_SIZE;
        }
        // Else it takes its own code away, sooner or later.
        SystemCall::UnmapMemory => arguments[0] = PAGED_REGION + random.u64(..PAGES) * PAGE_SIZE,
        _ => {}
    }
}

/// A value of any kind that calls have a use for.
fn value(random: &mut Rng) -> u64 {
    match random.u8(..16) {
        0..4 => random.u64(..8),
        4..6 => random.u64(..48),
        6..9 => PAGED_REGION + random.u64(..PAGES * PAGE_SIZE),
        9 => PAGED_REGION + random.u64(..PAGES) * PAGE_SIZE,
        10 => random.u64(..5) * PAGE_SIZE,
        11 => (1_u64 << random.u8(..64)).wrapping_add(random.u64(..3)).wrapping_sub(1),
        12 => {
            let places = [
                0,
                UNMAPPED,
                IMAGE_BASE,
                STACK_TOP - 4096,
                STACK_TOP,
                UTCB_BASE,
                UTCB_BASE + PAGE_SIZE,
                0x7fff_ffff_f000,
                0x8000_0000_0000,
                KERNEL_DIRECT_MAP,
                KERNEL_IMAGE,
                u64::MAX - 7,
            ];
            places[random.usize(..places.len())].wrapping_add(random.u64(..16))
        }
        13 => ANY_CPU,
        14 => random.u64(..1 << 21),
        _ => random.u64(..),
    }
}
