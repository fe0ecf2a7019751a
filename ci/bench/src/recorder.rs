//! Records traces: runs the program `bench` in QEMU and steps it through the debugger stub between its marks.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::debugged::Debugged;
use super::debugger::{Debugger, Outside, Stop};
use super::instruction;
use super::registers::Registers;
use super::symbols::Symbols;
use super::trace::{self, LONGEST_INSTRUCTION, Step, Trace};
use ci::kernel_build::Artifacts;
use ci::machine::Machine;

/// The guest may take that long between two traces.
const BETWEEN: Duration = Duration::from_secs(120);
/// A trace that becomes longer has missed its end.
const MOST_STEPS: usize = 200_000;
/// The longest name of a trace.
const LONGEST_NAME: u64 = 1024;
/// A trace whose name begins so wants a non-maskable interrupt at its beginning.
const WANTS_NMI: &str = "nmi";

/// The kernel's symbol at which timer interrupts arrive.
const TIMER_STUB: &str = "trap_stub_timer";

/// Bytes of PAUSE.
const PAUSE_BYTES: u64 = 2;

/// Told of each trace.
pub type Progress<'progress> = &'progress mut dyn FnMut(&Trace);

/// Runs `machine`, whose first program is `bench`, and answers everything that it marks.
///
/// # Errors
/// There is no QEMU, the program or its marks are missing, or a step does not come to an end; the guest's console is
/// told then.
pub fn record(machine: &Machine, artifacts: &Artifacts, progress: Progress<'_>) -> Result<Vec<Trace>> {
    let program = artifacts.programs.iter().find(|path| path.file_stem().is_some_and(|stem| stem == trace::PROGRAM));
    let program = program.with_context(|| format!("the build made no program {}", trace::PROGRAM))?;
    let symbols = Symbols::read(program)?;
    let mark = |name| symbols.address(name).with_context(|| format!("{} has no {name}", program.display()));
    let (begin, end) = (mark(trace::BEGIN)?, mark(trace::END)?);
    let kernel = Symbols::read(&artifacts.kernel)?;
    let mut debugged = Debugged::start(&machine.clone().artifacts(artifacts.clone()))?;
    let recorder = Recorder { debugger: debugged.debugger(), kernel, begin, end, code: HashMap::new() };
    let traces = recorder.run(progress);
    traces.with_context(|| format!("the trace failed; {}", debugged.last_words()))
}

struct Recorder<'machine> {
    debugger: &'machine mut Debugger,
    kernel: Symbols,
    begin: u64,
    end: u64,
    /// The kernel's code, by address: it is the same in every address space and changes no more once a program runs.
    code: HashMap<u64, [u8; LONGEST_INSTRUCTION]>,
}

/// Why another CPU than before is stepped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The one before has nothing to do.
    Idle,
    /// The one before waits for this one, in a loop.
    Awaited,
}

impl Recorder<'_> {
    fn run(mut self, progress: Progress<'_>) -> Result<Vec<Trace>> {
        self.debugger.set_breakpoint(self.begin)?;
        let mut traces = Vec::new();
        while let Stop::At(cpu) = self.debugger.resume(BETWEEN)? {
            let trace = self.trace(cpu)?;
            progress(&trace);
            traces.push(trace);
        }
        Ok(traces)
    }

    /// Steps from the first mark, at which `cpu` stands, to the second.
    ///
    /// One CPU runs at a time: until it is about to halt, or spins. Then the next one does, which has been sent an
    /// interrupt, until it halts; or, if another waits for it in a loop, until it is back in ring 3.
    fn trace(&mut self, mut cpu: usize) -> Result<Trace> {
        let name = self.name(cpu)?;
        if name.starts_with(WANTS_NMI) {
            self.debugger.monitor("nmi")?;
        }
        let mut trace = Trace { name, steps: Vec::new() };
        // Past the mark, or the thread would come back to it from what is looked for.
        self.debugger.step_with(Outside::Nothing)?;
        self.debugger.step(cpu)?;
        self.debugger.step_with(match (trace.starts_at(), trace.crosses_cpus()) {
            // It is about a timer: one that stood still would not fire again.
            (Some(_), _) => Outside::InterruptsAndTimers,
            (None, true) => Outside::Interrupts,
            (None, false) => Outside::Nothing,
        })?;
        if let Some(symbol) = trace.starts_at() {
            let address = self.kernel.address(symbol).with_context(|| format!("the kernel has no symbol {symbol}"))?;
            cpu = self.run_to(address)?;
        }
        let inside = trace.starts_at().is_some();
        let (mut steps, mut returned) = (0, false);
        let cpus = self.debugger.cpus()?;
        let timer =
            self.kernel.address(TIMER_STUB).with_context(|| format!("the kernel has no symbol {TIMER_STUB}"))?;
        // Where the timer interrupted: the emulator's clock may jump when the machine stands still, and what the timer does
        // then is no part of the path.
        let mut interrupted: Option<(usize, u64)> = None;
        let mut turn = Turn::Idle;
        let mut stepped = 0;
        loop {
            let registers = self.debugger.registers(cpu)?;
            let user = registers.in_user_mode();
            let ended = if inside { returned } else { user && registers.instruction_pointer == self.end };
            if ended {
                return Ok(trace);
            }
            steps += 1;
            if steps > MOST_STEPS {
                bail!("the trace {:?} does not come to its end in {MOST_STEPS} instructions", trace.name);
            }
            let bytes = if user { [0; LONGEST_INSTRUCTION] } else { self.code(cpu, registers.instruction_pointer)? };
            let waits = !user && stepped > 0 && (is_halt(&bytes) || is_pause(&bytes));
            let served = turn == Turn::Awaited && user && stepped > 0;
            if cpus > 1 && (waits || served) {
                turn = if waits && is_pause(&bytes) { Turn::Awaited } else { Turn::Idle };
                cpu = (cpu + 1) % cpus;
                stepped = 0;
                continue;
            }
            if !inside && registers.instruction_pointer == timer {
                // The last step was taken for it instead of for its instruction.
                interrupted = trace.steps.pop().map(|step| (step.cpu, step.registers.instruction_pointer));
            }
            if interrupted == Some((cpu, registers.instruction_pointer)) {
                interrupted = None;
            }
            if let Some(paused) = trace.steps.last().copied()
                && stepped == 1
                && let Some(skipped) = self.behind_pause(&paused, &registers)?
            {
                trace.steps.push(skipped);
            }
            returned = is_return(&bytes);
            // While timers run a step may end before its instruction: everything is as it was then.
            let again = inside && trace.steps.last().is_some_and(|last| last.cpu == cpu && last.registers == registers);
            if interrupted.is_none() && !again {
                trace.steps.push(Step { cpu, registers, bytes });
            }
            match self.debugger.step(cpu).with_context(|| format!("in the trace {:?}", trace.name))? {
                Stop::At(_) => stepped += 1,
                Stop::Ended => bail!("QEMU ended in the trace {:?}", trace.name),
            }
        }
    }

    /// The instruction behind a PAUSE, if `now` is behind that one: the emulator leaves its loop at a PAUSE before it looks whether it
    /// single-steps, and so executes two at once.
    fn behind_pause(&mut self, paused: &Step, now: &Registers) -> Result<Option<Step>> {
        if !is_pause(&paused.bytes) {
            return Ok(None);
        }
        let mut registers = paused.registers;
        registers.instruction_pointer += PAUSE_BYTES;
        let bytes = self.code(paused.cpu, registers.instruction_pointer)?;
        let step = Step { cpu: paused.cpu, registers, bytes };
        let next = instruction::decode(&step);
        let after = [next.next_ip(), next.near_branch_target()];
        Ok(after.contains(&now.instruction_pointer).then_some(step))
    }

    /// Lets the machine run until a CPU comes to the address.
    fn run_to(&mut self, address: u64) -> Result<usize> {
        self.debugger.clear_breakpoint(self.begin)?;
        self.debugger.set_breakpoint(address)?;
        let stop = self.debugger.resume(BETWEEN)?;
        self.debugger.clear_breakpoint(address)?;
        self.debugger.set_breakpoint(self.begin)?;
        match stop {
            Stop::At(cpu) => Ok(cpu),
            Stop::Ended => bail!("QEMU ended before the guest came to {address:#x}"),
        }
    }

    fn name(&mut self, cpu: usize) -> Result<String> {
        let registers = self.debugger.registers(cpu)?;
        let address = registers.value(iced_x86::Register::RDI).unwrap_or_default();
        let length = registers.value(iced_x86::Register::RSI).unwrap_or_default();
        if length > LONGEST_NAME {
            bail!("the name of a trace has {length} bytes");
        }
        let bytes = self.debugger.read_memory(cpu, address, length as usize)?;
        String::from_utf8(bytes.context("the name of a trace is not mapped")?).context("the name of a trace")
    }

    fn code(&mut self, cpu: usize, address: u64) -> Result<[u8; LONGEST_INSTRUCTION]> {
        if let Some(bytes) = self.code.get(&address) {
            return Ok(*bytes);
        }
        let bytes = self.debugger.read_memory(cpu, address, LONGEST_INSTRUCTION)?;
        let bytes: [u8; LONGEST_INSTRUCTION] = bytes
            .and_then(|bytes| bytes.try_into().ok())
            .with_context(|| format!("the kernel's code at {address:#x} cannot be read"))?;
        self.code.insert(address, bytes);
        Ok(bytes)
    }
}

fn is_halt(code: &[u8]) -> bool {
    code.starts_with(&[0xf4])
}

/// IRETQ or SYSRETQ. A trap whose beginning was waited for is over behind it, whatever ring it came from.
fn is_return(code: &[u8]) -> bool {
    code.starts_with(&[0x48, 0xcf]) || code.starts_with(&[0x48, 0x0f, 0x07])
}

fn is_pause(code: &[u8]) -> bool {
    code.starts_with(&[0xf3, 0x90])
}
