//! The machine that is struck at.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use iced_x86::Register;

use super::event::{Event, Strike};
use ci::kernel_build::Artifacts;
use ci::machine::Machine;
use ci_bench::debugged::Debugged;
use ci_bench::debugger::{Outside, Stop};
use ci_bench::registers::Registers;
use ci_bench::symbols::Symbols;

/// The only CPU.
const CPU: usize = 0;
/// The first program, and its symbol.
const PROGRAM: &str = "sweep_target";
const COMMAND_LINE: &str = "init=sweep_target";
const MARK: &str = "sweep_mark";
/// How long the machine may take to start, and to come from one place to the next.
const START: Duration = Duration::from_secs(120);
const NEXT: Duration = Duration::from_secs(20);
/// The third byte of RFLAGS in the packet of all registers: behind 16 general ones and RIP. Its lowest bit is RF.
const FLAGS_WITH_RF: usize = 17 * 8 + 2;
/// More instructions than this are no path of a handler.
const MOST_STEPS: usize = 100_000;
/// RFLAGS.TF.
const TRAP_FLAG: u32 = 1 << 8;
/// Vectors whose counters must be exact: the processor's own.
const VECTORS: usize = 32;
/// `IA32_MCG_STATUS`, and WRMSR.
const MACHINE_CHECK_STATUS: u64 = 0x17a;
const WRITE_REGISTER: [u8; 2] = [0x0f, 0x30];
/// IRETQ.
const INTERRUPT_RETURN: [u8; 2] = [0x48, 0xcf];

/// An instruction on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its address; each is there once, when it comes first.
    pub address: u64,
    /// The hardware still counts a machine check as in progress: another one resets the machine.
    pub in_machine_check: bool,
    /// It is an IRETQ: a step would come in the program.
    pub is_return: bool,
    /// It is reached only if so many NMIs, modulo 2, have come before the strikes: they take two stacks in turn, which the kernel's
    /// code tells apart. `None`: always.
    pub turn: Option<u64>,
}

/// A machine whose program stands at its mark.
#[derive(Debug)]
pub struct Stand {
    machine: Debugged,
    kernel: Symbols,
    mark: u64,
    /// The block of the CPU.
    block: u64,
}

impl Stand {
    /// Boots the kernel of `artifacts` on a machine of one CPU, as far as the mark.
    ///
    /// # Errors
    /// There is no QEMU, no such program, or the machine does not come so far: its last words are told.
    pub fn start(machine: &Machine, artifacts: &Artifacts) -> Result<Self> {
        let program = artifacts.programs.iter().find(|path| path.file_stem().is_some_and(|stem| stem == PROGRAM));
        let program = program.with_context(|| format!("the build made no program {PROGRAM}"))?;
        let mark = Symbols::read(program)?.address(MARK).with_context(|| format!("{PROGRAM} has no {MARK}"))?;
        let machine = machine.clone().smp(1).command_line(COMMAND_LINE).artifacts(artifacts.clone());
        let machine = Debugged::start(&machine)?;
        let mut stand = Self { machine, kernel: Symbols::read(&artifacts.kernel)?, mark, block: 0 };
        let debugger = stand.machine.debugger();
        debugger.step_with(Outside::Interrupts)?;
        debugger.set_breakpoint(mark)?;
        let stop = debugger.resume(START).with_context(|| stand.machine.last_words())?;
        ensure!(stop == Stop::At(CPU), "the machine ended before its mark; {}", stand.machine.last_words());
        stand.block = stand.machine.debugger().registers(CPU)?.swapped_gs_base;
        Ok(stand)
    }

    /// The name of the function that an address of the kernel lies in.
    pub fn function(&self, address: u64) -> &str {
        self.kernel.function(address)
    }

    /// The guest's last lines on the console.
    pub fn last_words(&self) -> String {
        self.machine.last_words()
    }

    /// Lets the strikes happen, one after the other, and goes on to the mark: every register that the stub tells must be what it was,
    /// and each of the processor's own vectors must have been entered as often as it was struck.
    ///
    /// # Errors
    /// Says what was lost. The machine may be unusable then.
    pub fn survives(&mut self, strikes: &[Strike]) -> Result<()> {
        let before = (self.snapshot()?, self.counters()?);
        self.strike(strikes)?;
        self.go_to_mark()?;
        let after = (self.snapshot()?, self.counters()?);
        let mut expected = before.1;
        for event in strikes.iter().flat_map(|strike| &strike.events) {
            expected[event.vector()] += 1;
        }
        ensure!(after.0 == before.0, "registers changed: {}", difference(&before.0, &after.0));
        for (vector, (after, expected)) in after.1.iter().zip(expected).enumerate() {
            ensure!(
                *after == expected,
                "vector {vector} was counted {} too often",
                after.wrapping_sub(expected) as i64
            );
        }
        Ok(())
    }

    /// The instructions of the kernel from the first behind the last strike until it is back in the program, on either NMI stack.
    ///
    /// # Errors
    /// The kernel does not come back.
    pub fn path(&mut self, strikes: &[Strike]) -> Result<Vec<Place>> {
        self.take_turn(0)?;
        let mut places = self.path_of_this_turn(strikes)?;
        self.take_turn(1)?;
        let others = self.path_of_this_turn(strikes)?;
        let addresses = |places: &[Place]| places.iter().map(|place| place.address).collect::<HashSet<u64>>();
        let (first, second) = (addresses(&places), addresses(&others));
        for place in places.iter_mut().filter(|place| !second.contains(&place.address)) {
            place.turn = Some(0);
        }
        let only = others.into_iter().filter(|place| !first.contains(&place.address));
        places.extend(only.map(|place| Place { turn: Some(1), ..place }));
        Ok(places)
    }

    /// Sees to it that so many NMIs, modulo 2, have come.
    ///
    /// # Errors
    /// An NMI at the mark is not survived.
    pub fn take_turn(&mut self, turn: u64) -> Result<()> {
        if self.counters()?[Event::NonMaskable.vector()] % 2 == turn {
            Ok(())
        } else {
            self.survives(&[Strike::at_mark(Event::NonMaskable)])
        }
    }

    fn path_of_this_turn(&mut self, strikes: &[Strike]) -> Result<Vec<Place>> {
        self.strike(strikes)?;
        let (mut places, mut seen) = (Vec::new(), HashSet::new());
        let mut in_machine_check = false;
        for _ in 0..MOST_STEPS {
            let registers = self.registers()?;
            if registers.in_user_mode() {
                self.go_to_mark()?;
                return Ok(places);
            }
            let address = registers.instruction_pointer;
            in_machine_check |= Some(address) == self.stub(Event::MachineCheck);
            let code = self.machine.debugger().read_memory(CPU, address, 2)?.unwrap_or_default();
            if seen.insert(address) {
                places.push(Place { address, in_machine_check, is_return: code == INTERRUPT_RETURN, turn: None });
            }
            if code == WRITE_REGISTER && registers.value(Register::ECX) == Some(MACHINE_CHECK_STATUS) {
                in_machine_check = false;
            }
            self.step()?;
        }
        bail!("the kernel does not come back in {MOST_STEPS} instructions")
    }

    /// All registers, but for RF: QEMU sets it for every interrupt, and it is gone behind the next instruction.
    fn snapshot(&mut self) -> Result<Vec<u8>> {
        let mut bytes = self.machine.debugger().packet(CPU)?;
        *bytes.get_mut(FLAGS_WITH_RF).context("too few registers")? &= !1;
        Ok(bytes)
    }

    fn registers(&mut self) -> Result<Registers> {
        self.machine.debugger().registers(CPU)
    }

    /// The first instruction of a vector: all have stubs of one size, one after the other.
    fn stub(&self, event: Event) -> Option<u64> {
        let [first, second] = ["trap_stubs", "trap_stub_debug"].map(|name| self.kernel.address(name));
        Some(first? + (second? - first?) * event.vector() as u64)
    }

    fn strike(&mut self, strikes: &[Strike]) -> Result<()> {
        for strike in strikes {
            if let Some(address) = strike.at {
                self.go_to(address)?;
            }
            for event in &strike.events {
                match event.command() {
                    Some(command) => self.machine.debugger().monitor(command)?,
                    None => {
                        let flags = self.registers()?.flags;
                        self.machine.debugger().set_flags(CPU, flags | TRAP_FLAG)?;
                    }
                }
            }
            // Into the first event, or, if it is held off or comes behind the instruction, that instruction.
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        match self.machine.debugger().step(CPU)? {
            Stop::At(_) => Ok(()),
            Stop::Ended => bail!("the machine was reset"),
        }
    }

    fn go_to_mark(&mut self) -> Result<()> {
        // It stays set, and the CPU does not stop where it stands.
        self.resume_to(self.mark)
    }

    fn go_to(&mut self, address: u64) -> Result<()> {
        if self.registers()?.instruction_pointer == address {
            return Ok(());
        }
        let debugger = self.machine.debugger();
        debugger.clear_breakpoint(self.mark)?;
        debugger.set_breakpoint(address)?;
        self.resume_to(address)?;
        self.machine.debugger().clear_breakpoint(address)?;
        self.machine.debugger().set_breakpoint(self.mark)
    }

    fn resume_to(&mut self, address: u64) -> Result<()> {
        let name = if address == self.mark { "the mark" } else { self.kernel.function(address) }.to_string();
        match self
            .machine
            .debugger()
            .resume(NEXT)
            .with_context(|| format!("it does not come to {address:#x} ({name})"))?
        {
            Stop::At(_) => {}
            Stop::Ended => bail!("the machine was reset"),
        }
        let at = self.registers()?.instruction_pointer;
        ensure!(at == address, "it stopped at {at:#x} instead of {address:#x} ({name})");
        Ok(())
    }

    /// How often each of the processor's own vectors was entered.
    fn counters(&mut self) -> Result<[u64; VECTORS]> {
        let address = self.block + percpu::offsets::ENTRIES as u64;
        let bytes = self.machine.debugger().read_memory(CPU, address, VECTORS * size_of::<u64>())?;
        let bytes = bytes.context("the counters are not mapped")?;
        let mut words = bytes.chunks_exact(8).filter_map(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
        let mut counters = [0; VECTORS];
        counters
            .iter_mut()
            .try_for_each(|counter| words.next().map(|word| *counter = word))
            .context("too few counters")?;
        Ok(counters)
    }
}

/// Which words of the packet of all registers differ: general registers come first, eight bytes each, then RIP.
fn difference(before: &[u8], after: &[u8]) -> String {
    let words = before.chunks(8).zip(after.chunks(8)).enumerate().filter(|(_, (before, after))| before != after);
    let told: Vec<_> =
        words.map(|(word, (before, after))| format!("word {word}: {after:02x?}, was {before:02x?}")).collect();
    told.join("; ")
}
