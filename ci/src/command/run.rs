//! `cargo xtask run`

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::MachineArguments;
use crate::display::Live;
use crate::kernel_build::{self, Talk};
use crate::outcome::Outcome;
use crate::output_file;
use crate::process::INTERRUPTED_EXIT;
use crate::result::{Document, Verdict};
use crate::setup::{self, Component, set_up};
use crate::transcript::Transcript;

/// The flags of `cargo xtask run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    #[command(flatten)]
    machine: MachineArguments,
    /// Write the result document there; an older file of that name is removed first
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail when a program that was added by --program did not exit with status 0
    #[arg(long)]
    strict: bool,
    /// Make the serial line the terminal (Ctrl-A x ends QEMU); only a time limit that was set holds
    #[arg(long)]
    interactive: bool,
}

pub(super) fn run(arguments: RunArguments) -> Result<()> {
    let profile = arguments.machine.profile();
    let machine = arguments.machine.machine().interactive(arguments.interactive);
    machine.check()?;
    if let Some(file) = &arguments.json {
        output_file::check(file).context("--json")?;
    }
    let components = Component::for_boot(machine.boot_protocol());
    set_up(&components, setup::Talk::Changes)?;
    let artifacts = kernel_build::build(profile, Talk::Progress)?;
    if let Some(file) = &arguments.json {
        output_file::remove_old(file)?;
    }
    if arguments.interactive && io::stdin().is_terminal() {
        eprintln!("the serial line is this terminal: Ctrl-A x ends QEMU, Ctrl-A c shows its monitor");
    }
    let mut live = Live::default();
    let machine = machine.artifacts(artifacts);
    let transcript = machine.run_observed(&mut live)?;
    live.finish();
    if arguments.interactive {
        // The guest's last line may be unended.
        println!();
    }
    let strict = if arguments.strict { machine.added_programs() } else { Vec::new() };
    conclude(&transcript, arguments.json.as_deref(), machine.first_program(), &strict)
}

/// Writes the document and the last line; ends the process when the boot did not pass. Programs in `strict` must have exited
/// with status 0.
fn conclude(transcript: &Transcript, json: Option<&Path>, first: &str, strict: &[String]) -> Result<()> {
    let problem = match report(transcript, json).and_then(|()| programs_are_well(transcript, strict)) {
        Ok(()) => None,
        Err(error) => Some(format!("{error:#}")),
    };
    let seconds = transcript.duration.as_secs_f64();
    let (line, code) = match (&transcript.outcome, problem) {
        (Outcome::Pass, None) => (format!("pass ({seconds:.1} s)"), 0),
        (Outcome::Pass, Some(problem)) => (format!("fail: {problem}"), 1),
        (Outcome::Interrupted, _) => (Outcome::Interrupted.to_string(), INTERRUPTED_EXIT),
        (outcome, problem) => {
            let too_long = matches!(outcome, Outcome::Timeout(_) | Outcome::Endless(_));
            let far = too_long.then(|| format!("the program {first} has not ended, {}", transcript.how_far()));
            let words = [Some(outcome.to_string()), far, transcript.reason(), problem];
            (words.into_iter().flatten().collect::<Vec<_>>().join("; "), 1)
        }
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    match code {
        0 => Ok(()),
        code => std::process::exit(code),
    }
}

/// Whether each of these programs exited with status 0.
fn programs_are_well(transcript: &Transcript, programs: &[String]) -> Result<()> {
    for program in programs {
        match transcript.end_of(program) {
            Some("exited with status 0") => {}
            Some(end) => bail!("{program}: {end} (--strict)"),
            None => bail!("{program}: its end was not told (--strict)"),
        }
    }
    Ok(())
}

/// Checks the records and writes the document.
fn report(transcript: &Transcript, json: Option<&Path>) -> Result<()> {
    let document = transcript.result().map_err(|problem| anyhow::anyhow!("the guest's result is wrong: {problem}"))?;
    if let Some(file) = json {
        match &document {
            Some(document) => write_document(document, file)?,
            None => bail!("the guest gave no result, so {} was not written", file.display()),
        }
    }
    // A guest that died may have died while it wrote.
    if transcript.outcome.is_pass() {
        if let Some(line) = transcript.malformed.first() {
            bail!("the guest wrote a line that is no record: {line}");
        }
        if document.is_some_and(|document| document.verdict == Verdict::Fail) {
            bail!("the guest's result says fail");
        }
    }
    Ok(())
}

fn write_document(document: &Document, file: &Path) -> Result<()> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    output_file::write(file, &text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_program_that_did_not_end_well_is_a_failure_where_that_is_asked_for() {
        let console = ["user/good: exited with status 0", "user/bad: exited with status 3", "user/bad: killed"];
        let transcript = Transcript {
            outcome: Outcome::Pass,
            console: console.map(String::from).to_vec(),
            kernel: Vec::new(),
            records: Vec::new(),
            malformed: Vec::new(),
            emulator_words: String::new(),
            duration: Duration::ZERO,
        };
        let complaint = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            programs_are_well(&transcript, &names).map_err(|error| error.to_string())
        };
        assert_eq!(complaint(&[]), Ok(()));
        assert_eq!(complaint(&["user/good"]), Ok(()));
        assert!(complaint(&["user/good", "user/bad"]).unwrap_err().contains("user/bad: killed"));
        assert!(complaint(&["user/lost"]).unwrap_err().contains("its end was not told"));
    }
}
