//! A machine to boot the kernel on.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::archive;
use crate::firmware;
use crate::iso;
use crate::kernel_build::{self, Artifacts};
use crate::outcome::Outcome;
use crate::qemu::{self, Accelerator, Configuration, Console, Firmware, MachineType, Source};
use crate::result::Boot;
use crate::session::{self, Limits, Observer};
use crate::transcript::Transcript;

/// The kernel keeps a command line of this many bytes at most (`CommandLine::MAXIMUM_LENGTH`).
pub const COMMAND_LINE_BYTES: usize = 2048;

/// With less memory there is no room for the boot archive beside the kernel.
const LEAST_MEMORY_MIB: u64 = 64;

/// How many time limits a guest gets that goes on and never ends.
const WHOLE_LIMITS: u32 = 10;

/// A machine to boot the kernel on. Each setting has the default of the command line's flag.
#[derive(Clone, Debug)]
pub struct Machine {
    smp: u32,
    cpu: String,
    machine: MachineType,
    memory_mib: Option<u64>,
    disk_mib: Option<u64>,
    accelerator: Accelerator,
    boot: Boot,
    icount: bool,
    one_thread: bool,
    exit_device: bool,
    programs: Vec<PathBuf>,
    extra: Vec<String>,
    command_line: String,
    time_limit: Option<Duration>,
    interactive: bool,
    artifacts: Option<Artifacts>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            smp: 4,
            cpu: "max".into(),
            machine: MachineType::Q35,
            memory_mib: None,
            disk_mib: None,
            accelerator: Accelerator::Tcg,
            boot: Boot::Pvh,
            icount: false,
            one_thread: false,
            exit_device: true,
            programs: Vec::new(),
            extra: Vec::new(),
            command_line: String::new(),
            time_limit: None,
            interactive: false,
            artifacts: None,
        }
    }
}

impl Machine {
    /// The machine that the tool boots without flags: q35 with four CPUs of model `max` under TCG.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of CPUs, at least 1.
    pub fn smp(mut self, cpus: u32) -> Self {
        self.smp = cpus;
        self
    }

    /// CPU model and flags, as QEMU takes them.
    pub fn cpu(mut self, model: impl Into<String>) -> Self {
        self.cpu = model.into();
        self
    }

    /// Machine type.
    pub fn machine(mut self, machine: MachineType) -> Self {
        self.machine = machine;
        self
    }

    /// Memory in MiB; without it [`default_memory_mib`] decides.
    pub fn memory_mib(mut self, memory: u64) -> Self {
        self.memory_mib = Some(memory);
        self
    }

    /// An empty virtio disk of so many MiB, gone with the machine. The kernel takes it for swapping.
    pub fn disk_mib(mut self, disk: u64) -> Self {
        self.disk_mib = Some(disk);
        self
    }

    /// What executes the guest.
    pub fn accelerator(mut self, accelerator: Accelerator) -> Self {
        self.accelerator = accelerator;
        self
    }

    /// The way by which the kernel is started.
    pub fn boot(mut self, boot: Boot) -> Self {
        self.boot = boot;
        self
    }

    /// Counts time in instructions: reproducible.
    pub fn icount(mut self, icount: bool) -> Self {
        self.icount = icount;
        self
    }

    /// Runs all CPUs in turn in one thread of the host, where QEMU translates: what they do together then does not depend on
    /// how many processors the host has.
    pub fn one_thread(mut self, one_thread: bool) -> Self {
        self.one_thread = one_thread;
        self
    }

    /// Whether the machine has the device by which the guest ends QEMU with a status. Without it, as on every real machine, the
    /// guest turns the machine off, and its last line on the console tells the outcome.
    pub fn exit_device(mut self, exit_device: bool) -> Self {
        self.exit_device = exit_device;
        self
    }

    /// Adds an ELF file to the boot archive, below `user/`.
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.programs.push(path.into());
        self
    }

    /// Adds an argument to QEMU's command line.
    pub fn qemu_argument(mut self, argument: impl Into<String>) -> Self {
        self.extra.push(argument.into());
        self
    }

    /// The kernel's command line.
    pub fn command_line(mut self, text: impl Into<String>) -> Self {
        self.command_line = text.into();
        self
    }

    /// Wall time without a line or a record after which QEMU is killed; a guest that goes on gets ten times as long; without it [`default_time_limit`] decides.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Makes the serial line the terminal; then only a limit that was set holds.
    pub fn interactive(mut self, interactive: bool) -> Self {
        self.interactive = interactive;
        self
    }

    /// Boots these instead of what the workspace builds.
    pub fn artifacts(mut self, artifacts: Artifacts) -> Self {
        self.artifacts = Some(artifacts);
        self
    }

    /// The way by which the kernel is started.
    pub fn boot_protocol(&self) -> Boot {
        self.boot
    }

    /// The name of the first program.
    pub fn first_program(&self) -> &str {
        self.command_line.split_whitespace().rev().find_map(|word| word.strip_prefix("init=")).unwrap_or("demo")
    }

    /// The names in the boot archive of the programs that were added.
    pub fn added_programs(&self) -> Vec<String> {
        let stems = self.programs.iter().filter_map(|path| path.file_stem()?.to_str());
        stems.map(|stem| format!("{}/{stem}", archive::USER_FOLDER)).collect()
    }

    /// The limit that holds, `None` for none.
    pub fn effective_time_limit(&self) -> Option<Duration> {
        match self.time_limit {
            None if self.interactive => None,
            None => Some(default_time_limit(self.smp, self.boot, self.icount)),
            limit => limit,
        }
    }

    /// How many processors of the host it keeps busy: one where a single thread runs its CPUs in turn.
    pub fn host_threads(&self) -> usize {
        let in_turn = self.accelerator == Accelerator::Tcg
            && (self.icount || self.one_thread || self.smp > qemu::MULTI_THREAD_CPUS);
        if in_turn { 1 } else { self.smp as usize }
    }

    /// Checks all settings, the programs' files included, without building anything.
    ///
    /// # Errors
    /// Says which setting is wrong and what would be right.
    pub fn check(&self) -> Result<()> {
        let most = self.machine.most_cpus();
        if self.smp == 0 {
            bail!("0 CPUs: a machine has at least one");
        }
        if self.smp > most {
            bail!("{} CPUs: the machine {} takes at most {most}", self.smp, self.machine.name());
        }
        if let Some(memory) = self.memory_mib.filter(|memory| *memory < LEAST_MEMORY_MIB) {
            bail!("{memory} MiB of memory: give at least {LEAST_MEMORY_MIB}");
        }
        if self.disk_mib == Some(0) {
            bail!("a disk of 0 MiB holds nothing: give at least 1");
        }
        if self.disk_mib.is_some() && self.machine == MachineType::Microvm {
            bail!("the machine microvm has no PCI bus for the disk: use another machine");
        }
        if self.time_limit == Some(Duration::ZERO) {
            bail!("a time limit of 0 s lets nothing run: give at least 1");
        }
        if self.cpu.is_empty() {
            bail!("the CPU model is empty: give one, such as max");
        }
        if self.machine == MachineType::Microvm && self.boot != Boot::Pvh {
            bail!("the machine microvm has neither BIOS nor UEFI disk boot: use the PVH boot or another machine");
        }
        if self.command_line.contains(['\n', '\0']) {
            bail!("the kernel's command line must be one line");
        }
        if self.command_line.len() > COMMAND_LINE_BYTES {
            let bytes = self.command_line.len();
            bail!("the kernel's command line has {bytes} bytes: give at most {COMMAND_LINE_BYTES}");
        }
        if self.accelerator == Accelerator::Kvm {
            if self.icount {
                bail!("KVM cannot count instructions: use TCG with icount");
            }
            let device = OpenOptions::new().read(true).write(true).open("/dev/kvm");
            device.context("KVM needs /dev/kvm, open to this user for reading and writing; TCG needs nothing")?;
        }
        self.programs.iter().try_for_each(|path| check_program(path))
    }

    /// Builds what is not built yet, boots, and waits for the end.
    ///
    /// # Errors
    /// Wrong settings, a failing build, no QEMU. However the guest ends is no error: see [`Transcript::outcome`].
    pub fn run(&self) -> Result<Transcript> {
        self.run_observed(&mut ())
    }

    /// As [`Self::run`]; `observer` sees everything while it happens.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub fn run_observed(&self, observer: &mut dyn Observer) -> Result<Transcript> {
        let prepared = self.prepare(None)?;
        let limits = self.effective_time_limit().map(|silent| Limits { silent, whole: silent * WHOLE_LIMITS });
        let mut transcript = session::run(prepared.command, &prepared.records, prepared.console, limits, observer)?;
        if !self.exit_device && transcript.outcome == Outcome::Reset {
            let last = transcript.console.iter().rev().find(|line| !line.is_empty());
            transcript.outcome = last.and_then(|line| Outcome::from_last_line(line)).unwrap_or(Outcome::Reset);
        }
        Ok(transcript)
    }

    /// Checks, builds, and makes QEMU's command line. With a debugger's socket the machine waits for it.
    ///
    /// # Errors
    /// Wrong settings, a failing build.
    pub fn prepare(&self, debugger: Option<&Path>) -> Result<Prepared> {
        self.check()?;
        let artifacts = match &self.artifacts {
            Some(artifacts) => artifacts.clone(),
            None => kernel_build::build_once()?,
        };
        let folder = tempfile::Builder::new().prefix("gatehouse-").tempdir().context("cannot make a folder")?;
        let archive = folder.path().join("programs.tar");
        fs::write(&archive, archive::build(&artifacts.programs, &self.programs)?)
            .with_context(|| format!("cannot write {}", archive.display()))?;
        let records = folder.path().join("records");
        let disk = self.disk_mib.map(|mib| make_disk(folder.path(), mib)).transpose()?;
        let console = if self.interactive { Console::Terminal } else { Console::Captured };
        let configuration = Configuration {
            machine: self.machine,
            cpu: self.cpu.clone(),
            smp: self.smp,
            memory_mib: self.memory_mib.unwrap_or(default_memory_mib(self.smp)),
            accelerator: self.accelerator,
            icount: self.icount,
            one_thread: self.one_thread,
            exit_device: self.exit_device,
            source: self.source(&artifacts, archive)?,
            console,
            records: records.clone(),
            debugger: debugger.map(Path::to_path_buf),
            extra: disk.into_iter().flatten().chain(self.extra.iter().cloned()).collect(),
        };
        let mut command = Command::new(qemu::PROGRAM);
        command.args(configuration.arguments());
        Ok(Prepared { command, console, records, kernel: artifacts.kernel, folder })
    }

    fn firmware(&self) -> Result<Firmware> {
        firmware::find().with_context(|| {
            format!("no UEFI firmware for QEMU: install OVMF, or set {} to its image", firmware::FIRMWARE_VARIABLE)
        })
    }

    fn source(&self, artifacts: &Artifacts, archive: PathBuf) -> Result<Source> {
        match self.boot {
            Boot::Pvh => {
                Ok(Source::Pvh { kernel: artifacts.kernel.clone(), archive, command_line: self.command_line.clone() })
            }
            Boot::Bios | Boot::Uefi => {
                let image = archive.with_file_name("gatehouse.iso");
                let firmware = match self.boot {
                    Boot::Uefi => Some(self.firmware()?),
                    _ => None,
                };
                iso::build(&artifacts.kernel, &archive, &self.command_line, &image)?;
                Ok(Source::Cd { image, firmware })
            }
        }
    }
}

/// All that is needed to start QEMU.
#[derive(Debug)]
pub struct Prepared {
    /// QEMU with its arguments.
    pub command: Command,
    /// Where the serial console goes.
    pub console: Console,
    /// Where the socket for the records is to be made.
    pub records: PathBuf,
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// Holds the files; they are deleted with this value.
    pub folder: tempfile::TempDir,
}

/// Memory for this number of CPUs, in MiB: 256 for the kernel and the programs and 2 for each CPU (an interrupt stack
/// of 256 KiB, the IST stacks, its frame cache, the stacks of the programs that it runs), at least 512.
pub fn default_memory_mib(smp: u32) -> u64 {
    (256 + 2 * u64::from(smp)).max(512)
}

/// Wall time for this machine: 60 s, and a second for each CPU above four (QEMU alone takes 80 s to set up and tear
/// down 1024); the firmware of the slower boot protocols and instruction counting take their time too.
pub fn default_time_limit(smp: u32, boot: Boot, icount: bool) -> Duration {
    let firmware = if boot == Boot::Pvh { 0 } else { 60 };
    let seconds = 60 + u64::from(smp.saturating_sub(4)) + firmware;
    Duration::from_secs(if icount { 3 * seconds } else { seconds })
}

/// Makes an empty disk and answers the arguments that attach it. The file is sparse: it takes the room of what is written.
fn make_disk(folder: &Path, mib: u64) -> Result<[String; 4]> {
    let path = folder.join("disk.img");
    let bytes = mib.checked_mul(1 << 20).with_context(|| format!("a disk of {mib} MiB is too large"))?;
    let made = File::create(&path).and_then(|file| file.set_len(bytes));
    made.with_context(|| format!("cannot make a disk of {mib} MiB at {}", path.display()))?;
    let drive = format!("if=none,id=disk,format=raw,file={}", path.display());
    Ok(["-drive".into(), drive, "-device".into(), "virtio-blk-pci,drive=disk".into()])
}

fn check_program(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).with_context(|| format!("the program {} is not there", path.display()))?;
    if !metadata.is_file() {
        bail!("the program {} is no regular file", path.display());
    }
    File::open(path).with_context(|| format!("the program {} cannot be read", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(machine: Machine) -> String {
        format!("{:#}", machine.check().unwrap_err())
    }

    #[test]
    fn the_default_machine_is_right() {
        Machine::new().check().unwrap();
    }

    #[test]
    fn wrong_settings_are_told() {
        assert!(complaint(Machine::new().smp(0)).contains("at least one"));
        assert!(complaint(Machine::new().smp(256).machine(MachineType::Pc)).contains("at most 255"));
        assert!(complaint(Machine::new().memory_mib(0)).contains("at least 64"));
        assert!(complaint(Machine::new().memory_mib(63)).contains("63 MiB of memory: give at least 64"));
        Machine::new().memory_mib(64).check().unwrap();
        assert!(complaint(Machine::new().disk_mib(0)).contains("disk of 0 MiB"));
        assert!(complaint(Machine::new().disk_mib(1).machine(MachineType::Microvm)).contains("no PCI"));
        assert!(complaint(Machine::new().time_limit(Duration::ZERO)).contains("0 s"));
        assert!(complaint(Machine::new().cpu("")).contains("CPU model"));
        assert!(complaint(Machine::new().command_line("a\nb")).contains("one line"));
        assert!(complaint(Machine::new().command_line("a".repeat(2049))).contains("2049 bytes: give at most 2048"));
        Machine::new().command_line("a".repeat(2048)).check().unwrap();
        assert!(complaint(Machine::new().machine(MachineType::Microvm).boot(Boot::Bios)).contains("microvm"));
        assert!(complaint(Machine::new().accelerator(Accelerator::Kvm).icount(true)).contains("KVM"));
    }

    #[test]
    fn missing_programs_and_folders_are_told() {
        assert!(complaint(Machine::new().program("/nowhere/x.elf")).contains("/nowhere/x.elf is not there"));
        assert!(complaint(Machine::new().program("/tmp")).contains("/tmp is no regular file"));
    }

    #[test]
    fn memory_and_time_grow_with_the_cpus() {
        assert_eq!(default_memory_mib(1), 512);
        assert_eq!(default_memory_mib(288), 832);
        assert_eq!(default_time_limit(1, Boot::Pvh, false), Duration::from_secs(60));
        assert_eq!(default_time_limit(64, Boot::Pvh, false), Duration::from_secs(120));
        assert_eq!(default_time_limit(4, Boot::Uefi, true), Duration::from_secs(360));
    }

    #[test]
    fn a_disk_is_as_large_as_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = make_disk(folder.path(), 3).unwrap();
        assert_eq!(fs::metadata(folder.path().join("disk.img")).unwrap().len(), 3 << 20);
        assert!(arguments[1].ends_with("disk.img"), "{arguments:?}");
        assert!(make_disk(folder.path(), u64::MAX).unwrap_err().to_string().contains("too large"));
    }

    #[test]
    fn an_interactive_machine_has_only_the_limit_that_was_set() {
        let machine = Machine::new().interactive(true);
        assert_eq!(machine.effective_time_limit(), None);
        let limit = Duration::from_secs(3);
        assert_eq!(machine.time_limit(limit).effective_time_limit(), Some(limit));
    }
}
