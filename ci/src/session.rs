//! One run of QEMU: its streams are read while it lives, its end is awaited under a limit.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::outcome::Outcome;
use crate::process::{Guarded, interrupted};
use crate::qemu::Console;
use crate::record::Record;
use crate::transcript::Transcript;

/// How often a silent QEMU is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How long the streams of an ended QEMU may take to run dry.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// A line longer than this is cut there: a guest that runs wild must not eat the host's memory.
const LINE_BYTES: u64 = 1 << 20;

/// How long a guest may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Without a line on the console and without a record.
    pub silent: Duration,
    /// In all.
    pub whole: Duration,
}

/// Told of everything while the machine runs.
pub trait Observer {
    /// A line of the serial console, without its line end.
    fn console_line(&mut self, _line: &str) {}
    /// A line that QEMU itself printed.
    fn emulator_line(&mut self, _line: &str) {}
    /// A record.
    fn record(&mut self, _record: &Record) {}
    /// Whether the serial console gets what [`Self::console_input`] answers; otherwise nothing ever comes by it.
    fn types(&self) -> bool {
        false
    }
    /// What to send to the serial console now.
    fn console_input(&mut self) -> Option<Vec<u8>> {
        None
    }
    /// While it is set, nobody reads the serial console.
    fn pause_of_console(&self) -> Option<Arc<AtomicBool>> {
        None
    }
    /// Whether nobody looks any more; then the machine is stopped.
    fn is_gone(&self) -> bool {
        false
    }
}

/// Nobody listens.
impl Observer for () {}

enum Event {
    Console(String),
    Emulator(String),
    Record(String),
}

/// Runs `command`, whose debug console connects to `socket`, until it ends or runs into a limit.
///
/// # Errors
/// QEMU cannot be started, or the socket cannot be made.
pub fn run(
    mut command: Command,
    socket: &Path,
    console: Console,
    limits: Option<Limits>,
    observer: &mut dyn Observer,
) -> Result<Transcript> {
    let listener =
        UnixListener::bind(socket).with_context(|| format!("cannot make the socket {}", socket.display()))?;
    listener.set_nonblocking(true)?;
    command.stderr(Stdio::piped());
    let start = Instant::now();
    let mut qemu = match console {
        Console::Captured => {
            let stdin = if observer.types() { Stdio::piped() } else { Stdio::null() };
            command.stdin(stdin).stdout(Stdio::piped());
            Guarded::spawn(&mut command, Signal::SIGKILL)?
        }
        // SIGTERM lets QEMU restore the terminal.
        Console::Terminal => Guarded::spawn_on_terminal(&mut command, Signal::SIGTERM)?,
    };
    let (sender, receiver) = sync_channel(1024);
    let ended = Arc::new(AtomicBool::new(false));
    if let Some(stdout) = qemu.child().stdout.take() {
        let pause = observer.pause_of_console().unwrap_or_default();
        spawn_reader(Pausing { stream: stdout, pause, ended: Arc::clone(&ended) }, sender.clone(), Event::Console);
    }
    if let Some(stderr) = qemu.child().stderr.take() {
        spawn_reader(stderr, sender.clone(), Event::Emulator);
    }
    spawn_record_reader(listener, sender, Arc::clone(&ended));
    let mut typist = qemu.child().stdin.take().map(spawn_writer);

    let mut transcript = Transcript {
        outcome: Outcome::Interrupted,
        console: Vec::new(),
        kernel: Vec::new(),
        records: Vec::new(),
        malformed: Vec::new(),
        emulator_words: String::new(),
        duration: Duration::ZERO,
    };
    let mut last_sign = start;
    let past = |last_sign: Instant| {
        let limits = limits?;
        match (last_sign.elapsed() >= limits.silent, start.elapsed() >= limits.whole) {
            (true, _) => Some(Outcome::Timeout(limits.silent)),
            (false, true) => Some(Outcome::Endless(limits.whole)),
            (false, false) => None,
        }
    };
    let status = loop {
        match receiver.recv_timeout(LOOK_INTERVAL) {
            Ok(event) => {
                last_sign = Instant::now();
                take(event, &mut transcript, observer);
            }
            Err(RecvTimeoutError::Timeout) => {}
            // All streams are closed; the process itself may live on.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK_INTERVAL),
        }
        if let (Some(sender), Some(bytes)) = (&typist, observer.console_input())
            && sender.send(bytes).is_err()
        {
            // The machine takes no more.
            typist = None;
        }
        if let Some(status) = qemu.try_wait()? {
            break Some(status);
        }
        let past = past(last_sign);
        if interrupted() || observer.is_gone() || past.is_some() {
            qemu.kill();
            transcript.outcome = past.unwrap_or(Outcome::Interrupted);
            break None;
        }
    };
    transcript.duration = start.elapsed();
    ended.store(true, Ordering::Release);
    drain(&receiver, &mut transcript, observer);
    if interrupted() || observer.is_gone() {
        transcript.outcome = Outcome::Interrupted;
    } else if let Some(status) = status {
        transcript.outcome = Outcome::from_status(status, &transcript.emulator_words);
    }
    Ok(transcript)
}

/// Takes what is still on its way.
fn drain(receiver: &Receiver<Event>, transcript: &mut Transcript, observer: &mut dyn Observer) {
    let end = Instant::now() + DRAIN_LIMIT;
    while let Ok(event) = receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
        take(event, transcript, observer);
    }
}

fn take(event: Event, transcript: &mut Transcript, observer: &mut dyn Observer) {
    match event {
        Event::Console(line) => {
            // Firmware clears the screen and moves the cursor.
            let line = anstream::adapter::strip_str(&line).to_string();
            observer.console_line(&line);
            transcript.take_line(&line);
        }
        Event::Emulator(line) => {
            observer.emulator_line(&line);
            transcript.emulator_words.push_str(&line);
            transcript.emulator_words.push('\n');
        }
        Event::Record(line) if line.trim().is_empty() => {}
        Event::Record(line) => match Record::parse(&line) {
            Ok(record) => {
                observer.record(&record);
                transcript.records.push(record);
            }
            Err(reason) => transcript.malformed.push(format!("{line} ({reason})")),
        },
    }
}

/// A stream that is not read at times.
struct Pausing<S> {
    stream: S,
    pause: Arc<AtomicBool>,
    /// The process that writes it has ended: no pause is long enough for it.
    ended: Arc<AtomicBool>,
}

impl<S: Read> Read for Pausing<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.pause.load(Ordering::Acquire) && !self.ended.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(2));
        }
        self.stream.read(buffer)
    }
}

fn spawn_reader(stream: impl Read + Send + 'static, sender: SyncSender<Event>, make: fn(String) -> Event) {
    thread::spawn(move || read_lines(stream, &sender, make));
}

fn spawn_record_reader(listener: UnixListener, sender: SyncSender<Event>, ended: Arc<AtomicBool>) {
    thread::spawn(move || {
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    if stream.set_nonblocking(false).is_ok() {
                        read_lines(stream, &sender, Event::Record);
                    }
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !ended.load(Ordering::Acquire) => {
                    thread::sleep(Duration::from_millis(2));
                }
                // QEMU ended before it connected.
                Err(_) => return,
            }
        }
    });
}

/// Writes what it is sent to a stream, in a thread of its own, since a stream that is full makes its writer wait.
fn spawn_writer(mut stream: impl io::Write + Send + 'static) -> Sender<Vec<u8>> {
    let (sender, receiver) = channel::<Vec<u8>>();
    thread::spawn(move || {
        while let Ok(bytes) = receiver.recv() {
            if stream.write_all(&bytes).and_then(|()| stream.flush()).is_err() {
                return;
            }
        }
    });
    sender
}

/// Sends each line, the unended last one included, until the stream ends or nobody listens.
fn read_lines(stream: impl Read, sender: &SyncSender<Event>, make: fn(String) -> Event) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        if sender.send(make(String::from_utf8_lossy(&line).into_owned())).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell stands in for QEMU.
    fn shell(script: &str, silent: Duration) -> Transcript {
        let limits = Limits { silent, whole: silent * 5 };
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, &folder.path().join("records"), Console::Captured, Some(limits), &mut ()).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn output_and_status_are_taken() {
        let transcript = shell(r"printf 'one\r\ntwo'; echo oh >&2; exit 33", LONG);
        assert_eq!(transcript.outcome, Outcome::Pass);
        assert_eq!(transcript.console, ["one", "two"]);
        assert_eq!(transcript.emulator_words, "oh\n");
    }

    /// Answers each line that the shell wrote.
    #[derive(Default)]
    struct Answering(Vec<Vec<u8>>);

    impl Observer for Answering {
        fn console_line(&mut self, line: &str) {
            self.0.push(format!("you said {line}\n").into_bytes());
        }
        fn types(&self) -> bool {
            true
        }
        fn console_input(&mut self) -> Option<Vec<u8>> {
            self.0.pop()
        }
    }

    #[test]
    fn what_is_typed_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo hello; read answer; echo $answer; exit 33"]);
        let socket = folder.path().join("records");
        let limits = Limits { silent: LONG, whole: LONG };
        let transcript = run(command, &socket, Console::Captured, Some(limits), &mut Answering::default()).unwrap();
        assert_eq!(transcript.outcome, Outcome::Pass);
        assert_eq!(transcript.console, ["hello", "you said hello"]);
    }

    #[test]
    fn escape_sequences_are_taken_out() {
        let transcript = shell(r"printf '\033[2J\033[01;01Hready\033[=3h\n'; exit 33", LONG);
        assert_eq!(transcript.console, ["ready"]);
    }

    #[test]
    fn an_error_keeps_its_words() {
        assert_eq!(shell("echo wrong >&2; exit 1", LONG).outcome, Outcome::EmulatorError("wrong".into()));
        assert_eq!(shell("exit 0", LONG).outcome, Outcome::Reset);
        assert_eq!(shell("kill -9 $$", LONG).outcome, Outcome::Signalled(9));
    }

    #[test]
    fn the_limit_ends_it_and_keeps_what_was_said() {
        let limit = Duration::from_millis(300);
        let transcript = shell("echo early; sleep 60", limit);
        assert_eq!(transcript.outcome, Outcome::Timeout(limit));
        assert_eq!(transcript.console, ["early"]);
        assert!(transcript.duration < Duration::from_secs(20));
    }

    #[test]
    fn who_goes_on_has_time_but_not_for_ever() {
        let limit = Duration::from_secs(2);
        let transcript = shell("for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done; exit 33", limit);
        assert_eq!(transcript.outcome, Outcome::Pass, "{transcript}");
        let transcript = shell("while true; do echo again; sleep 0.2; done", limit);
        assert_eq!(transcript.outcome, Outcome::Endless(limit * 5));
    }

    #[test]
    fn records_are_parsed_and_broken_ones_kept_apart() {
        let mut transcript = shell("exit 33", LONG);
        take(Event::Record(r#"{"sample":1}"#.into()), &mut transcript, &mut ());
        take(Event::Record("{broken".into()), &mut transcript, &mut ());
        take(Event::Record(String::new()), &mut transcript, &mut ());
        assert_eq!(transcript.records, [Record::Other("sample".into(), 1.into())]);
        assert_eq!(transcript.malformed.len(), 1);
        assert!(transcript.malformed[0].starts_with("{broken (not JSON"), "{:?}", transcript.malformed);
    }
}
