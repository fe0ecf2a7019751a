//! A machine that is driven by its debugger stub from the first instruction.

use std::fs::File;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::thread;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::debugger::Debugger;
use ci::machine::Machine;
use ci::process::Guarded;

/// A QEMU under its debugger; killed when this is dropped.
#[derive(Debug)]
pub struct Debugged {
    debugger: Debugger,
    qemu: Guarded,
    console: std::path::PathBuf,
    /// Hold the sockets, the console's file, and what QEMU reads.
    _folders: [tempfile::TempDir; 2],
}

impl Debugged {
    /// Starts the machine, which stands still before its first instruction.
    ///
    /// # Errors
    /// Wrong settings, a failing build, no QEMU.
    pub fn start(machine: &Machine) -> Result<Self> {
        let sockets =
            tempfile::Builder::new().prefix("gatehouse-debugged-").tempdir().context("cannot make a folder")?;
        let socket = sockets.path().join("debugger");
        let console = sockets.path().join("console");
        let prepared = machine.prepare(Some(&socket))?;
        // Nobody reads the records here, and a full socket would stop the guest.
        let records = UnixListener::bind(&prepared.records)?;
        thread::spawn(move || {
            if let Ok((mut stream, _)) = records.accept() {
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            }
        });
        let mut command = prepared.command;
        let output = File::create(&console).with_context(|| format!("cannot write {}", console.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let qemu = Guarded::spawn(&mut command, Signal::SIGKILL)?;
        let debugger = Debugger::connect(&socket)?;
        Ok(Self { debugger, qemu, console, _folders: [sockets, prepared.folder] })
    }

    /// The machine's debugger stub.
    pub fn debugger(&mut self) -> &mut Debugger {
        &mut self.debugger
    }

    /// The guest's last lines on the console, as a sentence.
    pub fn last_words(&self) -> String {
        let text = std::fs::read(&self.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        format!("the console said at last: {}", lines[lines.len().saturating_sub(4)..].join(" | "))
    }
}

impl Drop for Debugged {
    fn drop(&mut self) {
        self.qemu.kill();
    }
}
