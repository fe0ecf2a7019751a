//! System calls that allocate, and what takes each back.

use gatehouse_runtime::Kernel;
use gatehouse_runtime::abi::{ANY_CPU, Error, SLOT_NONE, ThreadInformation, rights};
use gatehouse_runtime::memory::{IMAGE_BASE, PAGE_SIZE};
use gatehouse_runtime::time::{SECOND, wait_until};
use gatehouse_runtime::timer::Timer;
use programs::raw::affinity::{self, CpuSet};
use programs::raw::control::kill_program;
use programs::raw::debugger::list_threads;
use programs::raw::device::{create_device, create_device_frame, create_message};
use programs::raw::message::{create_endpoint, first_utcb, read_memory, reply_to, save_reply, spawn_suspended};
use programs::raw::{frame, notification};
use programs::{PLAIN, check, child, cpus, delete, end, forget, in_use, wrong};

use crate::fixture::{EXITS, Fixture};

/// A system call that allocates.
pub struct Call {
    /// What it makes.
    pub name: &'static str,
    /// Makes it.
    pub make: fn(&Fixture) -> Result<u64, Error>,
    /// Takes back what it made.
    pub undo: fn(&Fixture, u64),
    /// How often it allocates, at least.
    pub allocations: u64,
}

/// Where frames are mapped.
const PLACE: u64 = 0x7000_0000;

/// The function that manages the machine's bus of sensors: bridges are not given away.
const SENSOR_BUS: u64 = 0x1f << 3 | 3;

/// All of them.
pub const CALLS: [Call; 20] = [
    Call { name: "endpoint", make: |_| create_endpoint(), undo: |_, slot| delete(slot), allocations: 1 },
    Call { name: "notification", make: |_| notification::create(), undo: |_, slot| delete(slot), allocations: 1 },
    Call {
        name: "timer",
        make: |_| Timer::create(0).map(|timer| timer.slot().number()),
        undo: |_, slot| delete(slot),
        allocations: 2,
    },
    Call { name: "frame", make: |_| frame::create(), undo: |_, slot| delete(slot), allocations: 1 },
    Call {
        name: "copied frame",
        make: |fixture| frame::copy(fixture.frame),
        undo: |_, slot| delete(slot),
        allocations: 1,
    },
    Call { name: "mapped frame", make: map_frame, undo: |_, _| unmap_frame(), allocations: 1 },
    Call { name: "frame that is mapped and unmapped", make: map_and_unmap_frame, undo: |_, _| {}, allocations: 1 },
    Call { name: "device", make: |_| create_device(SENSOR_BUS), undo: |_, slot| delete(slot), allocations: 1 },
    Call {
        name: "registers",
        make: |fixture| create_device_frame(fixture.device, 5, 0),
        undo: |_, slot| delete(slot),
        allocations: 1,
    },
    Call {
        name: "message",
        make: |fixture| create_message(fixture.device, 0),
        undo: |_, slot| delete(slot),
        allocations: 1,
    },
    Call {
        name: "saved reply",
        make: |_| save_reply(),
        undo: |fixture, slot| {
            let answered = reply_to(slot, PLAIN, [0; 4]);
            check!(answered.is_ok(), "not answered: {answered:?}");
            fixture.receive_call();
        },
        allocations: 1,
    },
    Call { name: "program", make: suspended_program, undo: kill, allocations: 7 },
    Call {
        name: "program on any CPU",
        make: |_| Kernel::spawn_program_quietly("full_heap", EXITS, ANY_CPU),
        undo: |_, number| {
            let end = end();
            check!(end.program == number && end.cause == 0 && end.status == 0, "{end:x?}");
        },
        allocations: 8,
    },
    Call { name: "thread", make: |_| thread(Kernel::cpu_number(), &CpuSet::new()), undo: thread_ends, allocations: 1 },
    Call { name: "thread on any CPU", make: |_| thread(ANY_CPU, &all_cpus()), undo: thread_ends, allocations: 3 },
    Call {
        name: "affinity",
        make: |fixture| affinity::set(fixture.child.thread, &all_cpus()),
        undo: |_, _| {},
        allocations: 2,
    },
    Call {
        name: "affinity that is told",
        make: |fixture| affinity::of::<64>(fixture.child.thread).map(|set| set.count()),
        undo: |_, count| check!(count == cpus(), "{count} CPUs"),
        allocations: 1,
    },
    Call {
        name: "memory that is read",
        make: |fixture| read_memory(fixture.child.program, IMAGE_BASE, &mut [0; 64]),
        undo: |_, length| check!(length == 64, "{length} bytes"),
        allocations: 1,
    },
    Call {
        name: "threads that are listed",
        make: |fixture| list_threads(fixture.child.program, &mut [ThreadInformation::default(); 4]),
        undo: |_, count| check!(count == 1, "{count} threads"),
        allocations: 1,
    },
    Call {
        name: "record",
        make: |_| Kernel::record(b"{\"full_heap\":{}}\n"),
        undo: |_, length| check!(length > 0, "{length} bytes"),
        allocations: 1,
    },
];

fn map_frame(fixture: &Fixture) -> Result<u64, Error> {
    frame::map(fixture.frame, SLOT_NONE, PLACE, rights::READ)
}

/// Takes the frame away, which allocates nothing.
fn unmap_frame() {
    // SAFETY: nothing uses the page.
    let unmapped = unsafe { Kernel::unmap_memory(PLACE, PAGE_SIZE) };
    check!(unmapped == Ok(PAGE_SIZE), "{unmapped:?}");
}

/// Takes the frame away with the page behind it, where nothing is.
fn map_and_unmap_frame(fixture: &Fixture) -> Result<u64, Error> {
    map_frame(fixture)?;
    // SAFETY: nothing uses the pages.
    let unmapped = unsafe { Kernel::unmap_memory(PLACE, 2 * PAGE_SIZE) };
    if unmapped.is_err() {
        unmap_frame();
    }
    unmapped
}

fn all_cpus() -> CpuSet {
    let mut set = CpuSet::new();
    (0..cpus()).for_each(|cpu| _ = set.insert(cpu));
    set
}

fn suspended_program(fixture: &Fixture) -> Result<u64, Error> {
    // SAFETY: only the first thread comes here.
    let made = spawn_suspended("full_heap", EXITS, Kernel::cpu_number(), &unsafe { first_utcb() })?;
    fixture.made.set(Some(made));
    Ok(made.number)
}

fn kill(fixture: &Fixture, number: u64) {
    let Some(made) = fixture.made.take() else { wrong(file!(), format_args!("no program was made")) };
    let killed = kill_program(made.program);
    check!(killed.is_ok(), "not killed: {killed:?}");
    let end = end();
    check!(end.program == number, "{end:x?}");
    forget(made);
}

/// The stack of a thread that has nothing to do.
#[repr(align(16))]
struct Stack(core::cell::UnsafeCell<[u8; 4096]>);

// SAFETY: one thread at a time has it.
unsafe impl Sync for Stack {}

static STACK: Stack = Stack(core::cell::UnsafeCell::new([0; 4096]));

fn thread(cpu: u64, set: &CpuSet) -> Result<u64, Error> {
    let top = STACK.0.get() as u64 + 4096 - 8;
    let set = if set.count() == 0 { (0, 0) } else { (core::ptr::from_ref(set) as u64, size_of_val(set) as u64) };
    // SAFETY: the function never returns, and the thread before has ended when another is made.
    unsafe { Kernel::spawn_thread(end_thread as *const () as u64, top, 0, cpu, set) }
}

extern "C" fn end_thread() -> ! {
    Kernel::exit_thread(0)
}

fn thread_ends(_: &Fixture, _: u64) {
    let gone = wait_until(20 * SECOND, || in_use().threads == THREADS);
    check!(gone, "the thread does not end: {} threads", in_use().threads);
}

/// Threads while none of the calls has made any: this one, the client, and the one of the child.
const THREADS: u64 = 3;

/// Makes endpoints until there is no room for one more, and deletes them; answers how often it was refused.
pub fn endpoints_until_refused() -> u64 {
    let mut slots = [0; 4096];
    for count in 0..slots.len() {
        match create_endpoint() {
            Ok(slot) => slots[count] = slot,
            Err(error) => {
                check!(error == Error::OutOfMemory, "endpoint {count}: {error:?}");
                child::delete(&slots[..count]);
                return 1;
            }
        }
    }
    wrong(file!(), format_args!("a full heap has room for {} endpoints", slots.len()))
}
