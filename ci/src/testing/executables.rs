//! Builds test executables and runs them.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde::Deserialize;

use super::tally::{End, Tally, read};
use crate::process::{Guarded, INTERRUPTED_EXIT, describe, interrupted};
use crate::workspace;

/// A test executable.
#[derive(Clone, Debug)]
pub struct Executable {
    /// Package and target, as people write them.
    pub name: String,
    /// The package's folder, where cargo runs its tests.
    folder: PathBuf,
    file: PathBuf,
}

/// The parts in use of a message of cargo's (The Cargo Book, "JSON messages").
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    profile: Option<Profile>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// A call of the cargo that runs this tool, in the workspace's folder and without input.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = cargo_here(arguments);
    command.current_dir(workspace::root()).stdin(Stdio::null());
    command
}

/// A call of the cargo that runs this tool, in the current folder.
pub fn cargo_here(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments);
    command
}

/// Builds the tests that the arguments of `cargo test` select; cargo shows what it does.
///
/// # Errors
/// The build fails; cargo has told why.
pub fn build(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Vec<Executable>> {
    let mut command = cargo(&["test", "--no-run", "--message-format=json-render-diagnostics"]);
    command.args(arguments).envs(environment.iter().copied()).stdout(Stdio::piped());
    let mut cargo = Guarded::spawn(&mut command, Signal::SIGTERM)?;
    let stdout = cargo.child().stdout.take().context("cargo has no output")?;
    let mut executables = Vec::new();
    for line in BufReader::new(stdout).lines() {
        executables.extend(executable(&line?));
    }
    let status = cargo.wait(None)?.context("cargo did not end")?;
    end_if_interrupted();
    if !status.success() {
        bail!("the tests cannot be built ({status}): {}", describe(&command));
    }
    executables.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(executables)
}

/// The test executable that a line of cargo's tells of.
fn executable(line: &str) -> Option<Executable> {
    let message: Message = serde_json::from_str(line).ok()?;
    let (target, file) = (message.target?, message.executable?);
    let folder = message.manifest_path?.parent()?.to_path_buf();
    let package = folder.strip_prefix(workspace::root()).unwrap_or(&folder).display();
    let what = if target.kind.iter().any(|kind| kind == "test") { "test " } else { "" };
    let name = format!("{package}: {what}{}", target.name);
    message.profile?.test.then_some(Executable { name, folder, file })
}

impl Executable {
    /// The call that runs it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// Runs tests; `tell` gets each test as it ends. What a failing test printed is printed when all of the executable have ended.
///
/// # Errors
/// The executable cannot be started.
pub fn run(name: &str, mut command: Command, filter: Option<&str>, tell: &dyn Fn(&str, End)) -> Result<Tally> {
    command.args(filter).env("CARGO_TERM_COLOR", "never").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut guarded = Guarded::spawn(&mut command, Signal::SIGTERM)?;
    let stdout = guarded.child().stdout.take().context("no output")?;
    let mut stderr = guarded.child().stderr.take().context("no output")?;
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        // A pipe that breaks gives what came before.
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let (mut tally, mut rest) = (Tally::default(), String::new());
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        match read(&line) {
            Some((test, end)) => {
                tell(&test, end);
                tally.count(end, format!("{name}: {test}"));
            }
            None => rest = rest + &line + "\n",
        }
    }
    // Its output has ended; it may not have.
    let status = guarded.wait(Some(Duration::from_secs(60)))?;
    end_if_interrupted();
    let errors = errors.join().unwrap_or_default();
    let succeeded = status.is_some_and(|status| status.success());
    if !succeeded && tally.failed.is_empty() {
        let how = status.map_or("its output ended and it did not".into(), |status| status.to_string());
        tally.count(End::Failed, format!("{name}: {how}"));
    }
    if !succeeded {
        print!("{rest}{errors}");
    }
    Ok(tally)
}

fn end_if_interrupted() {
    if interrupted() {
        std::process::exit(INTERRUPTED_EXIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_shell(script: &str) -> Tally {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run("x", command, None, &|_, _| {}).unwrap()
    }

    #[test]
    fn tests_are_counted_and_a_death_is_a_failure() {
        let tally = of_shell("echo running; echo 'test a ... ok'; echo 'test b ... FAILED'; exit 101");
        assert_eq!((tally.passed, tally.failed), (1, vec!["x: b".to_string()]));
        let tally = of_shell("echo 'test a ... ok'; kill -9 $$");
        assert_eq!((tally.passed, tally.failed.len()), (1, 1));
        assert!(tally.failed[0].contains("signal: 9"), "{tally:?}");
    }

    #[test]
    fn executables_of_tests_are_told_from_others() {
        let line = |test| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/smp/Cargo.toml","target":{{"name":"call_model",
                "kind":["test"]}},"profile":{{"test":{test}}},"executable":"/t/call_model-1"}}"#
            )
        };
        assert_eq!(executable(&line(true)).unwrap().name, "/w/smp: test call_model");
        assert!(executable(&line(false)).is_none());
        assert!(executable("text").is_none());
    }
}
