//! The flags that describe a machine, shared by the commands that start one.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::kernel_build::Profile;
use crate::machine::Machine;
use crate::qemu::{Accelerator, MachineType};
use crate::result::Boot;

/// The flags that describe a machine.
#[derive(Debug, Args)]
pub struct MachineArguments {
    /// Boot the kernel that is tested, measured and shipped: compiled as a whole, which an edit has done anew
    #[arg(long)]
    release: bool,
    /// Number of CPUs
    #[arg(long, value_name = "N", default_value_t = 4)]
    smp: u32,
    /// CPU model with its flags, as QEMU takes it
    #[arg(long, value_name = "MODEL", default_value = "max")]
    cpu: String,
    /// Machine type
    #[arg(long, default_value = "q35")]
    machine: MachineType,
    /// Memory in MiB [default: 256 and 2 for each CPU, at least 512]
    #[arg(long, value_name = "MIB")]
    mem: Option<u64>,
    /// Attach an empty disk of this size in MiB, to which the kernel swaps
    #[arg(long, value_name = "MIB")]
    disk: Option<u64>,
    /// What executes the guest
    #[arg(long, default_value = "tcg")]
    accel: Accelerator,
    /// The way by which the kernel is started
    #[arg(long, default_value = "pvh")]
    boot: Boot,
    /// Count time in instructions: reproducible
    #[arg(long)]
    icount: bool,
    /// Leave out the device by which the kernel ends QEMU with a status, as on real machines: it turns the machine off
    #[arg(long)]
    no_exit_device: bool,
    /// Add an ELF file to the boot archive and start it in ring 3 (repeatable)
    #[arg(long, value_name = "FILE.elf")]
    program: Vec<PathBuf>,
    /// Add an argument to QEMU's command line (repeatable)
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    qemu_arg: Vec<String>,
    /// The kernel's command line
    #[arg(long, value_name = "TEXT", default_value = "", allow_hyphen_values = true, hide_default_value = true)]
    cmdline: String,
    /// Stop QEMU after this many seconds without progress [default: 60 and 1 for each CPU above 4; more for --boot and --icount]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

impl MachineArguments {
    /// How the kernel for it is compiled.
    pub fn profile(&self) -> Profile {
        Profile::chosen(self.release)
    }

    /// The machine that they describe.
    pub fn machine(self) -> Machine {
        let mut machine = Machine::new()
            .smp(self.smp)
            .cpu(self.cpu)
            .machine(self.machine)
            .accelerator(self.accel)
            .boot(self.boot)
            .icount(self.icount)
            .exit_device(!self.no_exit_device)
            .command_line(self.cmdline);
        if let Some(memory) = self.mem {
            machine = machine.memory_mib(memory);
        }
        if let Some(disk) = self.disk {
            machine = machine.disk_mib(disk);
        }
        if let Some(seconds) = self.timeout {
            machine = machine.time_limit(Duration::from_secs(seconds));
        }
        machine = self.program.into_iter().fold(machine, Machine::program);
        self.qemu_arg.into_iter().fold(machine, Machine::qemu_argument)
    }
}
