//! The programs of the person who runs the machine.

use gatehouse_runtime::abi::{EndCause, Error, ProgramEnd, TrapNumber};
use gatehouse_runtime::array::MappedArray;
use gatehouse_runtime::time::{Deadline, SECOND};
use gatehouse_runtime::{Kernel, println};
use programs::{ArchiveName, archive_names};

/// What their names begin with.
const PREFIX: &str = "user/";

/// How long they may run before the demonstration goes on without them.
const PATIENCE: u64 = 20 * SECOND;

/// A program that was started.
#[derive(Clone, Copy)]
struct Started {
    number: u64,
    name: ArchiveName,
    ended: bool,
}

/// Starts each program, CPU 0 first, waits for their ends and tells each in one line. Answers how many
/// still run.
///
/// # Errors
/// There is no memory to keep account.
pub(crate) fn run(cpus: u64) -> Result<u64, Error> {
    let files = archive_names().filter(|name| name.as_str().starts_with(PREFIX)).count();
    if files == 0 {
        return Ok(0);
    }
    let mut started: MappedArray<Option<Started>> = MappedArray::filled(files, None)?;
    for (index, name) in archive_names().filter(|name| name.as_str().starts_with(PREFIX)).take(files).enumerate() {
        let cpu = index as u64 % cpus;
        match Kernel::spawn_program(name.as_str(), 0, cpu) {
            Ok(number) => started[index] = Some(Started { number, name, ended: false }),
            Err(Error::BadProgram) => {
                println!("{}: refused, it is not an ELF program that this kernel runs", name.as_str());
            }
            Err(error) => println!("{}: not started on CPU {cpu}: {error:?}", name.as_str()),
        }
    }
    let deadline = Deadline::after(PATIENCE);
    let running = |started: &[Option<Started>]| started.iter().flatten().filter(|program| !program.ended).count();
    while running(&started) > 0
        && let Ok(Some(end)) = Kernel::wait_program(deadline.left())
    {
        if let Some(program) = started.iter_mut().flatten().find(|program| program.number == end.program) {
            program.ended = true;
            tell(program.name.as_str(), &end);
        }
    }
    for program in started.iter().flatten().filter(|program| !program.ended) {
        println!("{}: still runs after {} s; the demonstration goes on", program.name.as_str(), PATIENCE / SECOND);
    }
    Ok(running(&started) as u64)
}

/// One line about how a program ended.
fn tell(name: &str, end: &ProgramEnd) {
    if end.cause == EndCause::Exited as u64 {
        println!("{name}: exited with status {}", end.status);
    } else if end.cause == EndCause::Trap as u64 {
        println!(
            "{name}: shut down on CPU {} for {} (vector {}, error code {:#x}) at {:#x}, address {:#x}",
            end.cpu,
            TrapNumber::from_bits(end.trap),
            end.vector,
            end.error_code,
            end.instruction_pointer,
            end.address
        );
    } else {
        println!("{name}: killed");
    }
}
