//! The client's half of the GDB remote protocol, as far as stepping QEMU needs it.
//!
//! Own code: the crates `gdbstub` and `gdb-protocol` that are kept at all are for the other half or carry no commands.
//! The protocol is that of the GDB manual, "GDB Remote Serial Protocol".

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::registers::Registers;

/// How long QEMU may take to open its socket, and to answer anything but a resumption.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to QEMU's debugger stub. The guest stands still but for [`Self::resume`] and [`Self::step`].
#[derive(Debug)]
pub struct Debugger {
    stream: UnixStream,
    received: Vec<u8>,
    /// The CPU that register packets are about.
    selected: Option<usize>,
}

/// What reaches a CPU from outside while it is stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Nothing: timers stand still, and interrupts wait.
    Nothing,
    /// Interrupts that are pending or that other CPUs send; timers stand still.
    Interrupts,
    /// All.
    InterruptsAndTimers,
}

/// Why the guest stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A CPU (counted from 0) came to a breakpoint or the end of a step.
    At(usize),
    /// QEMU has ended.
    Ended,
}

impl Debugger {
    /// Connects to a stub that is about to listen.
    ///
    /// # Errors
    /// Nobody listens within a minute, or it speaks another protocol.
    pub fn connect(socket: &Path) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() >= deadline => {
                    return Err(error).with_context(|| format!("no debugger stub at {}", socket.display()));
                }
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut debugger = Self { stream, received: Vec::new(), selected: None };
        let features = debugger.ask("qSupported:multiprocess+;vContSupported+")?;
        if !features.contains("multiprocess+") {
            bail!("the debugger stub tells no CPUs apart: {features}");
        }
        // QEMU has no mode without acknowledgements, but takes the next packet for one.
        debugger.step_with(Outside::Nothing)?;
        Ok(debugger)
    }

    fn send(&mut self, packet: &str) -> Result<()> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        self.stream.write_all(format!("${packet}#{sum:02x}").as_bytes()).context("QEMU's debugger stub went away")
    }

    /// The next packet; `None` when the connection is closed.
    fn receive(&mut self) -> Result<Option<String>> {
        loop {
            if let Some((packet, length)) = first_packet(&self.received) {
                self.received.drain(..length);
                return Ok(Some(packet));
            }
            let mut bytes = [0; 8192];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error).context("QEMU's debugger stub does not answer"),
            }
        }
    }

    fn ask(&mut self, packet: &str) -> Result<String> {
        self.send(packet)?;
        self.receive()?.with_context(|| format!("QEMU ended instead of answering {packet}"))
    }

    fn ask_ok(&mut self, packet: &str) -> Result<()> {
        match self.ask(packet)?.as_str() {
            "OK" => Ok(()),
            answer => bail!("the debugger stub answers {packet} with {answer:?}"),
        }
    }

    /// Stops whatever CPU comes to the address, in whatever address space.
    ///
    /// # Errors
    /// The stub refuses.
    pub fn set_breakpoint(&mut self, address: u64) -> Result<()> {
        self.ask_ok(&format!("Z1,{address:x},1"))
    }

    /// Takes a breakpoint away.
    ///
    /// # Errors
    /// There is none.
    pub fn clear_breakpoint(&mut self, address: u64) -> Result<()> {
        self.ask_ok(&format!("z1,{address:x},1"))
    }

    /// What may happen besides while CPUs are stepped.
    ///
    /// # Errors
    /// The stub refuses.
    pub fn step_with(&mut self, outside: Outside) -> Result<()> {
        // Bit 0 steps, bit 1 holds interrupts back, bit 2 stops the timers (QEMU manual, "GDB usage", "Advanced debugging
        // options: Changing single-stepping behaviour").
        self.ask_ok(match outside {
            Outside::Nothing => "Qqemu.sstep=0x7",
            Outside::Interrupts => "Qqemu.sstep=0x5",
            Outside::InterruptsAndTimers => "Qqemu.sstep=0x1",
        })
    }

    /// Lets all CPUs run, at most that long, until one comes to a breakpoint.
    ///
    /// # Errors
    /// None does in time.
    pub fn resume(&mut self, limit: Duration) -> Result<Stop> {
        self.go("vCont;c", limit)
    }

    /// Lets one CPU execute one instruction, or take one interrupt or exception; the others stand still.
    ///
    /// # Errors
    /// It does not: it waits for an interrupt that does not come.
    pub fn step(&mut self, cpu: usize) -> Result<Stop> {
        self.go(&format!("vCont;s:p1.{:x}", cpu + 1), PATIENCE)
    }

    fn go(&mut self, packet: &str, limit: Duration) -> Result<Stop> {
        self.stream.set_read_timeout(Some(limit))?;
        // The stub forgets the choice when it stops.
        self.selected = None;
        // The connection may end with the guest, before or after the last word.
        if self.send(packet).is_err() {
            return Ok(Stop::Ended);
        }
        let answer = self.receive();
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let Some(answer) = answer? else { return Ok(Stop::Ended) };
        if answer.starts_with(['W', 'X']) {
            return Ok(Stop::Ended);
        }
        let cpu = answer.split_once("thread:p").and_then(|(_, rest)| {
            let thread = rest.split(';').next()?.split_once('.')?.1;
            usize::from_str_radix(thread, 16).ok()?.checked_sub(1)
        });
        cpu.map(Stop::At).with_context(|| format!("the debugger stub stops with {answer:?}"))
    }

    /// How many CPUs the machine has.
    ///
    /// # Errors
    /// The stub does not tell.
    pub fn cpus(&mut self) -> Result<usize> {
        let mut count = 0;
        let mut answer = self.ask("qfThreadInfo")?;
        while let Some(threads) = answer.strip_prefix('m') {
            count += threads.split(',').count();
            answer = self.ask("qsThreadInfo")?;
        }
        if answer != "l" || count == 0 {
            bail!("the debugger stub lists its CPUs as {answer:?}");
        }
        Ok(count)
    }

    /// A CPU's registers.
    ///
    /// # Errors
    /// There is no such CPU.
    pub fn registers(&mut self, cpu: usize) -> Result<Registers> {
        self.select(cpu)?;
        Registers::parse(&self.ask("g")?)
    }

    /// All that the stub tells of a CPU, as it comes: for comparison.
    ///
    /// # Errors
    /// There is no such CPU.
    pub fn packet(&mut self, cpu: usize) -> Result<Vec<u8>> {
        self.select(cpu)?;
        let answer = self.ask("g")?;
        hexadecimal(&answer).with_context(|| format!("the debugger stub sends no registers: {answer:?}"))
    }

    /// Sets RFLAGS.
    ///
    /// # Errors
    /// The stub refuses.
    pub fn set_flags(&mut self, cpu: usize, flags: u32) -> Result<()> {
        self.select(cpu)?;
        // The register behind the 16 general ones and RIP.
        self.ask_ok(&format!("P11={:08x}", flags.swap_bytes()))
    }

    /// Reads memory as the CPU sees it; `None` where nothing is mapped.
    ///
    /// # Errors
    /// The stub answers no bytes.
    pub fn read_memory(&mut self, cpu: usize, address: u64, length: usize) -> Result<Option<Vec<u8>>> {
        self.select(cpu)?;
        let answer = self.ask(&format!("m{address:x},{length:x}"))?;
        if answer.starts_with('E') {
            return Ok(None);
        }
        hexadecimal(&answer).map(Some).with_context(|| format!("the debugger stub answers no bytes: {answer:?}"))
    }

    /// Gives a command to QEMU's monitor.
    ///
    /// # Errors
    /// The monitor says what is wrong.
    pub fn monitor(&mut self, command: &str) -> Result<()> {
        let digits: String = command.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.send(&format!("qRcmd,{digits}"))?;
        let mut said = Vec::new();
        loop {
            let answer = self.receive()?.with_context(|| format!("QEMU ended at {command}"))?;
            match answer.strip_prefix('O').filter(|rest| *rest != "K").and_then(hexadecimal) {
                Some(text) => said.extend(text),
                None if answer == "OK" => break,
                None => bail!("QEMU's monitor answers {command} with {answer:?}"),
            }
        }
        let said = String::from_utf8_lossy(&said);
        if said.trim().is_empty() { Ok(()) } else { bail!("QEMU's monitor answers {command}: {}", said.trim()) }
    }

    fn select(&mut self, cpu: usize) -> Result<()> {
        if self.selected != Some(cpu) {
            self.ask_ok(&format!("Hgp1.{:x}", cpu + 1))?;
            self.selected = Some(cpu);
        }
        Ok(())
    }
}

/// The first whole packet in the bytes, and the bytes up to its end.
fn first_packet(bytes: &[u8]) -> Option<(String, usize)> {
    let start = bytes.iter().position(|byte| *byte == b'$')?;
    let end = start + bytes[start..].iter().position(|byte| *byte == b'#')?;
    // Two digits of the sum; the socket loses nothing, so it is not checked.
    (bytes.len() >= end + 3).then(|| (String::from_utf8_lossy(&bytes[start + 1..end]).into_owned(), end + 3))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len() / 2).map(|byte| u8::from_str_radix(&text[2 * byte..2 * byte + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_cut_out_of_the_stream() {
        assert_eq!(first_packet(b"+$OK#9a$x"), Some(("OK".into(), 7)));
        assert_eq!(first_packet(b"$OK#9"), None);
        assert_eq!(first_packet(b"$O"), None);
        assert_eq!(first_packet(b""), None);
    }

    #[test]
    fn digits_become_bytes() {
        assert_eq!(hexadecimal("00ff10"), Some(vec![0, 255, 16]));
        assert_eq!(hexadecimal("0"), None);
        assert_eq!(hexadecimal("zz"), None);
    }

    /// A stub that answers each packet with the next line.
    fn stub(answers: &'static [&'static str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stub");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = [0; 4096];
            for answer in answers {
                if stream.read(&mut bytes).is_ok_and(|count| count == 0) {
                    return;
                }
                stream.write_all(format!("${answer}#00").as_bytes()).unwrap();
            }
        });
        (folder, path)
    }

    #[test]
    fn stops_name_the_cpu_and_the_end() {
        let (_folder, path) = stub(&["multiprocess+", "OK", "T05thread:p01.02;", "T05thread:p01.01;"]);
        let mut debugger = Debugger::connect(&path).unwrap();
        assert_eq!(debugger.step(1).unwrap(), Stop::At(1));
        assert_eq!(debugger.resume(PATIENCE).unwrap(), Stop::At(0));
        assert_eq!(debugger.resume(PATIENCE).unwrap(), Stop::Ended);
    }

    #[test]
    fn another_protocol_is_refused() {
        let (_folder, path) = stub(&["nothing"]);
        assert!(Debugger::connect(&path).unwrap_err().to_string().contains("tells no CPUs apart"));
    }
}
