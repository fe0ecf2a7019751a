//! QEMU's command line, as a pure function of what is wanted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// The program.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// Above this number of CPUs all of them run in one host thread. With a thread for each, halted ones wake each other
/// over the host's scheduler; from here on that costs more than the parallelism of a usual host brings.
pub const MULTI_THREAD_CPUS: u32 = 32;

/// A machine type of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MachineType {
    /// PCI Express, ACPI, up to 4096 CPUs.
    Q35,
    /// The i440FX of 1996, up to 255 CPUs.
    Pc,
    /// No PCI, no firmware tables but the needed ones, up to 288 CPUs.
    Microvm,
}

impl MachineType {
    /// QEMU's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q35 => "q35",
            Self::Pc => "pc",
            Self::Microvm => "microvm",
        }
    }

    /// The firmware that it is to have when QEMU enters the kernel itself, where that is not QEMU's own choice. It comes with QEMU.
    ///
    /// For `microvm` QEMU takes a SeaBIOS that lays its tables at the end of memory, and then loads the archive there, over
    /// them (it keeps no room for tables on that machine). `qboot` has its tables below 1 MiB.
    pub fn firmware(self) -> Option<&'static str> {
        match self {
            Self::Q35 | Self::Pc => None,
            Self::Microvm => Some("qboot.rom"),
        }
    }

    /// The most CPUs that QEMU 10 gives it.
    pub fn most_cpus(self) -> u32 {
        match self {
            Self::Q35 => 4096,
            Self::Pc => 255,
            Self::Microvm => 288,
        }
    }
}

/// What executes the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Accelerator {
    /// QEMU's translator: everywhere, and the only one with `--icount`.
    Tcg,
    /// The host's processor, through /dev/kvm.
    Kvm,
}

/// What the machine starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// QEMU loads the kernel itself.
    Pvh {
        /// The kernel's ELF file.
        kernel: PathBuf,
        /// The boot archive.
        archive: PathBuf,
        /// The kernel's command line.
        command_line: String,
    },
    /// A CD, by the machine's own BIOS or by the firmware given.
    Cd {
        /// The ISO image.
        image: PathBuf,
        /// The UEFI firmware.
        firmware: Option<Firmware>,
    },
}

/// A UEFI firmware image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// Code and variables in one image.
    Whole(PathBuf),
    /// Code only, to be mapped as flash.
    Code(PathBuf),
}

/// Where the serial console goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// To QEMU's standard output; nothing is read.
    Captured,
    /// To the terminal and from it, with QEMU's monitor behind Ctrl-A.
    Terminal,
}

/// All that the command line depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Machine type.
    pub machine: MachineType,
    /// CPU model with its flags, as QEMU takes it.
    pub cpu: String,
    /// Number of CPUs.
    pub smp: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// What executes the guest.
    pub accelerator: Accelerator,
    /// Whether time is counted in instructions: reproducible, one CPU at a time.
    pub icount: bool,
    /// Whether one thread of the host runs all CPUs in turn, as it always does with more than [`MULTI_THREAD_CPUS`].
    pub one_thread: bool,
    /// Whether there is the device by which the guest ends QEMU with a status.
    pub exit_device: bool,
    /// What the machine starts from.
    pub source: Source,
    /// Where the serial console goes.
    pub console: Console,
    /// The socket that takes the records.
    pub records: PathBuf,
    /// A socket for a debugger; the machine then waits for it.
    pub debugger: Option<PathBuf>,
    /// More arguments, as they are.
    pub extra: Vec<String>,
}

impl Configuration {
    /// QEMU's arguments.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut line = Line::default();
        line.words(&["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        line.words(&["-accel", self.acceleration(), "-machine", self.machine.name(), "-cpu", &self.cpu]);
        line.words(&["-smp", &self.smp.to_string(), "-m", &format!("{}M", self.memory_mib)]);
        if self.icount {
            // One nanosecond of guest time for each instruction, and no waiting when all CPUs are idle.
            line.words(&["-icount", "shift=0,sleep=off"]);
            // The real-time clock counts the same time: by the host's, its interrupts came at another instruction each time.
            line.words(&["-rtc", "base=2000-01-01T00:00:00,clock=vm"]);
        }
        match self.console {
            // Ctrl-C belongs to this tool, which then ends QEMU.
            Console::Captured => line.words(&["-chardev", "stdio,id=console,signal=off"]),
            Console::Terminal => {
                line.words(&["-chardev", "stdio,id=console,mux=on,signal=off"]);
                line.words(&["-mon", "chardev=console,mode=readline"]);
            }
        }
        line.words(&["-serial", "chardev:console"]);
        line.word("-chardev").option("socket,id=records,path=", &self.records, "");
        line.words(&["-device", "isa-debugcon,iobase=0xe9,chardev=records"]);
        if self.exit_device {
            line.words(&["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        }
        self.source(&mut line);
        if let Some(socket) = &self.debugger {
            line.word("-S").word("-gdb").option("unix:", socket, ",server=on,wait=off");
        }
        for argument in &self.extra {
            line.word(argument);
        }
        line.0
    }

    fn acceleration(&self) -> &'static str {
        match self.accelerator {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg if self.icount || self.one_thread || self.smp > MULTI_THREAD_CPUS => "tcg,thread=single",
            Accelerator::Tcg => "tcg,thread=multi",
        }
    }

    fn source(&self, line: &mut Line) {
        match &self.source {
            Source::Pvh { kernel, archive, command_line } => {
                if let Some(firmware) = self.machine.firmware() {
                    line.words(&["-bios", firmware]);
                }
                line.word("-kernel").word(kernel).word("-initrd").word(archive);
                if !command_line.is_empty() {
                    line.word("-append").word(command_line);
                }
            }
            Source::Cd { image, firmware } => {
                match firmware {
                    None => {}
                    Some(Firmware::Whole(path)) => {
                        line.word("-bios").word(path);
                    }
                    Some(Firmware::Code(path)) => {
                        line.word("-drive").option("if=pflash,unit=0,format=raw,readonly=on,file=", path, "");
                    }
                }
                line.word("-drive").option("if=ide,media=cdrom,format=raw,readonly=on,file=", image, "");
                line.words(&["-boot", "d"]);
            }
        }
    }
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn word(&mut self, word: impl Into<OsString>) -> &mut Self {
        self.0.push(word.into());
        self
    }

    /// A word with a path inside, in which QEMU wants commas doubled.
    fn option(&mut self, before: &str, path: &Path, after: &str) {
        let path = path.to_string_lossy().replace(',', ",,");
        self.0.push(format!("{before}{path}{after}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> Configuration {
        Configuration {
            machine: MachineType::Q35,
            cpu: "max".into(),
            smp: 4,
            memory_mib: 512,
            accelerator: Accelerator::Tcg,
            icount: false,
            one_thread: false,
            exit_device: true,
            source: Source::Pvh { kernel: "/k".into(), archive: "/a".into(), command_line: "init=demo".into() },
            console: Console::Captured,
            records: "/r".into(),
            debugger: None,
            extra: Vec::new(),
        }
    }

    fn text(configuration: &Configuration) -> String {
        let words: Vec<_> = configuration.arguments().into_iter().map(|word| word.into_string().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn the_plain_machine() {
        assert_eq!(
            text(&configuration()),
            "-nodefaults -no-user-config -display none -no-reboot -accel tcg,thread=multi -machine q35 -cpu max \
             -smp 4 -m 512M -chardev stdio,id=console,signal=off -serial chardev:console \
             -chardev socket,id=records,path=/r -device isa-debugcon,iobase=0xe9,chardev=records \
             -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel /k -initrd /a -append init=demo"
        );
    }

    #[test]
    fn the_archive_does_not_lie_over_the_tables_of_microvm() {
        let line = text(&Configuration { machine: MachineType::Microvm, ..configuration() });
        assert!(line.contains("-bios qboot.rom -kernel /k"), "{line}");
        assert!(!text(&configuration()).contains("-bios"), "the others keep QEMU's own firmware");
    }

    #[test]
    fn icount_and_many_cpus_use_one_host_thread() {
        let counted = text(&Configuration { icount: true, ..configuration() });
        assert!(counted.contains("-accel tcg,thread=single"), "{counted}");
        assert!(counted.contains("-icount shift=0,sleep=off"), "{counted}");
        assert!(counted.contains("-rtc base=2000-01-01T00:00:00,clock=vm"), "{counted}");
        let many = text(&Configuration { smp: MULTI_THREAD_CPUS + 1, ..configuration() });
        assert!(many.contains("-accel tcg,thread=single"), "{many}");
        let asked = text(&Configuration { one_thread: true, ..configuration() });
        assert!(asked.contains("-accel tcg,thread=single") && !asked.contains("-icount"), "{asked}");
        let kvm = text(&Configuration { accelerator: Accelerator::Kvm, one_thread: true, ..configuration() });
        assert!(kvm.contains("-accel kvm"), "{kvm}");
    }

    #[test]
    fn a_machine_like_a_real_one_has_no_exit_device() {
        let line = text(&Configuration { exit_device: false, ..configuration() });
        assert!(!line.contains("isa-debug-exit") && line.contains("isa-debugcon"), "{line}");
    }

    #[test]
    fn a_command_line_with_spaces_is_one_argument_and_an_empty_one_is_none() {
        let with = |command_line: &str| {
            let command_line = command_line.to_string();
            let source = Source::Pvh { kernel: "/k".into(), archive: "/a".into(), command_line };
            Configuration { source, ..configuration() }.arguments()
        };
        assert!(with("init=suite suite=flags").contains(&"init=suite suite=flags".into()));
        assert!(!with("").contains(&"-append".into()));
    }

    #[test]
    fn cds_with_and_without_firmware() {
        let cd = |firmware| {
            let source = Source::Cd { image: "/i,so".into(), firmware };
            text(&Configuration { source, ..configuration() })
        };
        let bios = cd(None);
        assert!(bios.contains("file=/i,,so -boot d") && !bios.contains("-bios"), "{bios}");
        assert!(!bios.contains("-kernel"), "{bios}");
        assert!(cd(Some(Firmware::Whole("/o".into()))).contains("-bios /o "));
        assert!(
            cd(Some(Firmware::Code("/o".into()))).contains("-drive if=pflash,unit=0,format=raw,readonly=on,file=/o")
        );
    }

    #[test]
    fn the_debugger_stops_the_machine_and_extra_arguments_come_last() {
        let extra = vec!["-d".to_string(), "int".to_string()];
        let line = text(&Configuration { debugger: Some("/g".into()), extra, ..configuration() });
        assert!(line.ends_with("-S -gdb unix:/g,server=on,wait=off -d int"), "{line}");
    }

    #[test]
    fn an_interactive_console_has_the_monitor_behind_it() {
        let line = text(&Configuration { console: Console::Terminal, ..configuration() });
        assert!(line.contains("stdio,id=console,mux=on,signal=off -mon chardev=console,mode=readline"), "{line}");
    }
}
