//! `cargo xtask gdb`

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use nix::sys::signal::Signal;

use super::MachineArguments;
use crate::kernel_build;
use crate::process::Guarded;
use crate::setup::{Component, Talk, set_up};

/// The flags of `cargo xtask gdb`.
#[derive(Debug, Args)]
pub struct GdbArguments {
    #[command(flatten)]
    machine: MachineArguments,
    /// A command for gdb, given before the first prompt (repeatable)
    #[arg(long, short = 'x', value_name = "COMMAND")]
    execute: Vec<String>,
}

/// Starts QEMU stopped, and gdb on the kernel's file, connected to it. QEMU ends with gdb.
pub(super) fn gdb(arguments: GdbArguments) -> Result<()> {
    let profile = arguments.machine.profile();
    let machine = arguments.machine.machine();
    machine.check()?;
    let mut components = Component::for_boot(machine.boot_protocol());
    components.push(Component::Debugger);
    set_up(&components, Talk::Changes)?;
    let machine = machine.artifacts(kernel_build::build(profile, kernel_build::Talk::Progress)?);
    let sockets = tempfile::Builder::new().prefix("gatehouse-gdb-").tempdir().context("cannot make a folder")?;
    let socket = sockets.path().join("gdb");
    let prepared = machine.prepare(Some(&socket))?;
    let mut qemu = prepared.command;
    // The console must not write between gdb's prompts, and the records have no reader: both go to files.
    let console = sockets.path().join("console");
    let output = std::fs::File::create(&console).with_context(|| format!("cannot write {}", console.display()))?;
    let records = std::os::unix::net::UnixListener::bind(&prepared.records)?;
    let drain = std::thread::spawn(move || {
        if let Ok((mut stream, _)) = records.accept() {
            // A full socket would stop the guest; what comes is of no use here.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    qemu.stdin(Stdio::null()).stdout(output);
    let mut qemu = Guarded::spawn(&mut qemu, Signal::SIGKILL)?;
    wait_for(&socket, &mut qemu)?;
    eprintln!("the guest's console is written to {} while gdb runs", console.display());
    let mut gdb = Command::new("gdb");
    gdb.arg("--quiet").arg(&prepared.kernel).arg("-ex").arg(format!("target remote {}", socket.display()));
    for command in &arguments.execute {
        gdb.arg("-ex").arg(command);
    }
    let mut gdb = Guarded::spawn_on_terminal(&mut gdb, Signal::SIGTERM)?;
    let status = gdb.wait(None)?.context("gdb did not end")?;
    qemu.kill();
    // It ends with QEMU's side of the socket.
    let _ = drain.join();
    if !status.success() {
        bail!("gdb failed ({status})");
    }
    Ok(())
}

/// Waits until QEMU listens.
fn wait_for(socket: &std::path::Path, qemu: &mut Guarded) -> Result<()> {
    for _ in 0..1000 {
        if socket.exists() {
            return Ok(());
        }
        if let Some(status) = qemu.try_wait()? {
            bail!("QEMU ended before gdb could connect ({status})");
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    bail!("QEMU does not listen for gdb within 10 s");
}
