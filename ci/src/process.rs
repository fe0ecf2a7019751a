//! Child processes that cannot outlive this one.
//!
//! Each [`Guarded`] child leads its own process group and is killed, group and all, when its guard is dropped, on
//! a panic, on SIGINT, SIGTERM and SIGHUP; on Linux also by the system itself when the thread that started it ends
//! (`PR_SET_PDEATHSIG`, prctl(2)), which covers SIGKILL. Wait for a child on the thread that started it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, TERM_SIGNALS};
use signal_hook::iterator::Signals;

/// Exit status after SIGINT and its like, as shells use it.
pub const INTERRUPTED_EXIT: i32 = 130;

/// Live children by process id.
static LIVE: Mutex<BTreeMap<i32, Ending>> = Mutex::new(BTreeMap::new());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The exit status of a tool that has done its work, with a line that says what went wrong.
pub fn end_with(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // What was going on failed because its children were ended.
        Err(_) if interrupted() => ExitCode::from(INTERRUPTED_EXIT as u8),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How a child is ended.
#[derive(Clone, Copy, Debug)]
struct Ending {
    signal: Signal,
    group: Group,
}

/// Whose process group a child is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// It leads one of its own.
    Own,
    /// It is in ours, so that it may read from the terminal.
    Shared,
}

fn live() -> MutexGuard<'static, BTreeMap<i32, Ending>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn send(id: i32, signal: Signal, group: Group) {
    // A child that has ended meanwhile is what we want.
    let _ = match group {
        Group::Own => killpg(Pid::from_raw(id), signal),
        Group::Shared => kill(Pid::from_raw(id), signal),
    };
}

/// Whether a signal asked this process to end.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn end_all() {
    for (&id, ending) in live().iter() {
        send(id, ending.signal, ending.group);
    }
}

/// Makes SIGINT, SIGTERM, SIGHUP and panics end all guarded children first. Called by every start of a child; more
/// calls do nothing.
pub fn install_handlers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |information| {
            // A failed assertion of one test must not end the machine of another: there the guard's drop does it.
            if cfg!(panic = "abort") {
                end_all();
            }
            previous(information);
        }));
        // The signals go on as before where the system takes no handlers.
        if let Ok(mut signals) = Signals::new(TERM_SIGNALS.iter().chain([&SIGHUP])) {
            thread::spawn(move || signals.forever().for_each(on_signal));
        }
    });
}

fn on_signal(signal: i32) {
    // Ctrl-C on a terminal reaches a child that shares it as well, and there it may mean something: gdb stops the
    // program that it runs.
    if signal == SIGINT && live().values().any(|ending| ending.group == Group::Shared) {
        return;
    }
    INTERRUPTED.store(true, Ordering::Relaxed);
    end_all();
    // Whoever waits for a child gets two seconds to tell how it ended.
    thread::sleep(Duration::from_secs(2));
    std::process::exit(INTERRUPTED_EXIT);
}

/// A child process, as a rule in its own process group. Dropping it kills the group.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    group: Group,
}

impl Guarded {
    /// Starts `command`; `signal` is what ends its group.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(command: &mut Command, signal: Signal) -> Result<Self> {
        command.process_group(0);
        Self::start(command, signal, Group::Own)
    }

    /// Starts `command` in this process's own group, so that it may read from the terminal; then only the child
    /// itself is ended, not its children.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn_on_terminal(command: &mut Command, signal: Signal) -> Result<Self> {
        Self::start(command, signal, Group::Shared)
    }

    fn start(command: &mut Command, signal: Signal, group: Group) -> Result<Self> {
        install_handlers();
        end_with_this_thread(command, signal);
        // The lock is held over the start: a signal in between must find the child in the list.
        let mut live = live();
        let child =
            command.spawn().with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        live.insert(child.id() as i32, Ending { signal, group });
        Ok(Self { child, group })
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The status if the child has ended.
    ///
    /// # Errors
    /// The system refuses to tell.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            live().remove(&(self.child.id() as i32));
        }
        Ok(status)
    }

    /// Kills the group and collects the child.
    pub fn kill(&mut self) {
        let id = self.child.id() as i32;
        if matches!(self.child.try_wait(), Ok(None)) {
            send(id, Signal::SIGKILL, self.group);
            let _ = self.child.wait();
        }
        live().remove(&id);
    }

    /// Waits until the child ends, at most `limit`; then it is killed and `None` is the answer.
    ///
    /// # Errors
    /// The system refuses to tell.
    pub fn wait(&mut self, limit: Option<Duration>) -> io::Result<Option<ExitStatus>> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            if limit.is_some_and(|limit| start.elapsed() >= limit) {
                self.kill();
                return Ok(None);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(target_os = "linux")]
fn end_with_this_thread(command: &mut Command, signal: Signal) {
    use nix::errno::Errno;

    let parent = nix::unistd::getpid();
    // SAFETY: between fork and exec the closure makes two system calls (prctl, getppid), both async-signal-safe; it
    // allocates nothing, takes no lock and captures two plain values.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(signal)?;
            // The parent may have died before the call above: then no signal would ever come.
            if nix::unistd::getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with_this_thread(_command: &mut Command, _signal: Signal) {}

/// Runs `command` to its end and gives what it printed; an error names the command when it fails or takes more
/// than `limit`.
///
/// # Errors
/// The program cannot be started, fails, or runs into the limit.
pub fn output_of(command: &mut Command, limit: Duration) -> Result<String> {
    let output = try_output_of(command, limit)?;
    if !output.status.success() {
        bail!("{} failed ({}): {}", describe(command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// As [`output_of`], but a failing program is no error.
///
/// # Errors
/// The program cannot be started or runs into the limit.
pub fn try_output_of(command: &mut Command, limit: Duration) -> Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut guarded = Guarded::spawn(command, Signal::SIGTERM)?;
    let stdout = read_all(guarded.child().stdout.take());
    let stderr = read_all(guarded.child().stderr.take());
    let Some(status) = guarded.wait(Some(limit))? else {
        bail!("{} did not end within {} s", describe(command), limit.as_secs());
    };
    Ok(Output { status, stdout: stdout.join().unwrap_or_default(), stderr: stderr.join().unwrap_or_default() })
}

fn read_all(pipe: Option<impl io::Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A pipe that breaks gives what came before.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// The command as a person would type it.
pub fn describe(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_past_its_limit_is_killed() {
        let start = Instant::now();
        let error = output_of(Command::new("sleep").arg("30"), Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("sleep 30 did not end"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn dropping_the_guard_kills_the_whole_group() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 30 & echo $!; wait"]).stdout(Stdio::piped());
        let mut guarded = Guarded::spawn(&mut command, Signal::SIGKILL).unwrap();
        let mut line = String::new();
        let stdout = guarded.child().stdout.take().unwrap();
        io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut line).unwrap();
        let grandchild = Pid::from_raw(line.trim().parse().unwrap());
        drop(guarded);
        let gone = (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            is_dead(grandchild)
        });
        assert!(gone, "process {grandchild} is still there");
    }

    /// Gone, or a zombie that nobody has collected yet (a container's first process may not).
    fn is_dead(process: Pid) -> bool {
        match std::fs::read_to_string(format!("/proc/{process}/stat")) {
            Ok(status) => status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
            Err(_) => nix::sys::signal::kill(process, None).is_err(),
        }
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = output_of(&mut Command::new("no-such-program"), Duration::from_secs(1)).unwrap_err();
        assert!(error.to_string().contains("cannot start no-such-program"), "{error}");
    }
}
