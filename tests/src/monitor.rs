//! QEMU's monitor: what happens to a machine from outside.

use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ci::machine::Machine;
use ci::session::Observer;
use ci::transcript::Transcript;

use crate::boot_observed;

/// How long the machine may take to open its monitor, to say what is waited for, and to answer a command.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the monitor of a running machine.
#[derive(Debug)]
pub struct Monitor {
    stream: UnixStream,
    answers: Lines<BufReader<UnixStream>>,
}

impl Monitor {
    fn connect(socket: &PathBuf) -> Self {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "no monitor at {}: {error}", socket.display()),
            }
            thread::sleep(Duration::from_millis(20));
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let answers = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        let mut monitor = Self { stream, answers };
        assert!(monitor.command("{\"execute\":\"qmp_capabilities\"}").is_some(), "the monitor does not answer");
        monitor
    }

    /// Gives a command (QEMU Machine Protocol); the line of the answer, or `None` when the machine is gone.
    ///
    /// # Panics
    /// When QEMU refuses the command.
    pub fn command(&mut self, text: &str) -> Option<String> {
        writeln!(self.stream, "{text}").ok()?;
        let answer = self
            .answers
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.contains("return") || line.contains("error"))?;
        assert!(answer.contains("\"return\""), "{text}: {answer}");
        Some(answer)
    }

    /// Asks a question as people type it (Human Monitor Protocol): the answer, with its line ends as `\r\n` in text; `None` when
    /// the machine is gone.
    pub fn ask(&mut self, text: &str) -> Option<String> {
        self.command(&format!(
            "{{\"execute\":\"human-monitor-command\",\"arguments\":{{\"command-line\":\"{text}\"}}}}"
        ))
    }

    /// Gives a command as people type it (Human Monitor Protocol); `None` when the machine is gone.
    ///
    /// # Panics
    /// When QEMU answers anything.
    pub fn human(&mut self, text: &str) -> Option<()> {
        let answer = self.ask(text)?;
        assert!(answer.contains("\"return\": \"\""), "{text}: {answer}");
        Some(())
    }
}

/// Tells of each line that contains the text.
struct Lookout<'text> {
    text: &'text str,
    seen: Sender<()>,
}

impl Observer for Lookout<'_> {
    fn console_line(&mut self, line: &str) {
        if line.contains(self.text) {
            // Nobody listens any more if the other side has failed already, and says so itself.
            let _ = self.seen.send(());
        }
    }
}

/// Waits for the console to say the text once more.
#[derive(Debug)]
pub struct Cue(Receiver<()>);

impl Cue {
    /// Waits, for as long as the machine runs: that has a limit of its own, and may have to wait for its turn before.
    ///
    /// # Panics
    /// When the machine ends before.
    pub fn wait(&self) {
        self.0.recv().expect("the machine comes so far");
    }
}

/// Boots the machine and lets `act` use its monitor meanwhile; the [`Cue`] comes with each console line that contains `text`.
///
/// # Panics
/// When there is no machine, or `act` panics.
pub fn boot_with_monitor<Answer: Send + 'static>(
    machine: &Machine,
    text: &str,
    act: impl FnOnce(&mut Monitor, &Cue) -> Answer + Send + 'static,
) -> (Transcript, Answer) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("gatehouse-monitor-{}-{}.socket", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let socket = std::env::temp_dir().join(name);
    let argument = format!("unix:{},server=on,wait=off", socket.display());
    let machine = machine.clone().qemu_argument("-qmp").qemu_argument(argument);
    let (sender, receiver) = channel();
    let at = socket.clone();
    let actor = thread::spawn(move || {
        let cue = Cue(receiver);
        cue.wait();
        act(&mut Monitor::connect(&at), &cue)
    });
    let transcript = boot_observed(&machine, &mut Lookout { text, seen: sender });
    let answer = actor.join().unwrap_or_else(|_| panic!("the actor failed: {transcript}"));
    // It is gone already if QEMU has tidied up.
    let _ = std::fs::remove_file(socket);
    (transcript, answer)
}
