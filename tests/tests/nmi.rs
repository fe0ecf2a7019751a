//! Non-maskable interrupts in every window: injected as fast as the emulator takes them while all CPUs fault, call and
//! switch. Nothing but the number of NMIs may differ from what the demonstration expects.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ci::machine::Machine;
use ci::outcome::Outcome;
use ci::session::Observer;
use integration_tests::boot_observed;

/// NMIs that are injected, each on every CPU.
const ROUNDS: u32 = 2_000;
/// How long the machine may take to open its monitor, and the injection to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells when all CPUs are up: before a CPU has its IDT, an NMI resets any machine.
struct WhenOnline(Option<Sender<()>>);

impl Observer for WhenOnline {
    fn console_line(&mut self, line: &str) {
        if line.contains("CPUs online")
            && let Some(online) = self.0.take()
        {
            // Nobody listens any more if the injection has failed already, and says so itself.
            let _ = online.send(());
        }
    }
}

/// Injects the NMIs and goes away; answers how many were taken.
fn inject(socket: &Path, online: &Receiver<()>) -> u32 {
    online.recv_timeout(PATIENCE).expect("the CPUs come up");
    let deadline = Instant::now() + PATIENCE;
    let stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "no monitor at {}: {error}", socket.display()),
        }
        thread::sleep(Duration::from_millis(20));
    };
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let mut answers = BufReader::new(stream.try_clone().expect("a second handle")).lines().map_while(Result::ok);
    let mut command = |text: &str| {
        (&stream).write_all(text.as_bytes()).is_ok() && answers.by_ref().any(|line| line.contains("\"return\""))
    };
    assert!(command("{\"execute\":\"qmp_capabilities\"}\n"), "the monitor does not answer");
    let taken = (0..ROUNDS).take_while(|_| command("{\"execute\":\"inject-nmi\"}\n")).count();
    u32::try_from(taken).expect("as many as rounds at most")
}

#[test]
fn nmis_in_every_window_change_nothing() {
    let socket: PathBuf = std::env::temp_dir().join(format!("gatehouse-nmi-{}.socket", std::process::id()));
    let monitor = format!("unix:{},server=on,wait=off", socket.display());
    let machine = Machine::new().qemu_argument("-qmp").qemu_argument(monitor);
    let at = socket.clone();
    let (sender, receiver) = channel();
    let injector = thread::spawn(move || inject(&at, &receiver));
    let transcript = boot_observed(&machine, &mut WhenOnline(Some(sender)));
    let injected = injector.join().expect("the injection ends");
    // The machine may end before all are injected; it must not end before most of them are.
    assert!(injected > ROUNDS / 4, "only {injected} NMIs: {transcript}");
    let _ = std::fs::remove_file(socket);

    // The demonstration expects no NMIs and says so, once for each CPU: LINT1 raises them on every one.
    assert_eq!(transcript.outcome, Outcome::Fail, "{transcript}");
    let wrong: Vec<&String> = transcript.console.iter().filter(|line| line.starts_with("WRONG")).collect();
    assert_eq!(wrong.len(), 4, "{transcript}");
    assert!(wrong.iter().all(|line| line.ends_with("nmi, expected 0")), "{transcript}");
}
