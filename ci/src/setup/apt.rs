//! Calls of apt.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::signal::Signal;

use super::backports::{SourceFile, Style};
use super::system::Privilege;
use super::version::Version;
use crate::process::{Guarded, output_of, try_output_of};

const UPDATE_LIMIT: Duration = Duration::from_secs(180);
const INSTALL_LIMIT: Duration = Duration::from_secs(1800);
const PROBE_LIMIT: Duration = Duration::from_secs(30);

/// One try, a short wait for a silent server, and some patience when another apt is at work.
const OPTIONS: [&str; 8] = [
    "-o",
    "Acquire::Retries=2",
    "-o",
    "Acquire::http::Timeout=20",
    "-o",
    "Acquire::https::Timeout=20",
    "-o",
    "DPkg::Lock::Timeout=120",
];

const SOURCES_FOLDER: &str = "/etc/apt/sources.list.d";

/// `program` as the superuser.
pub(super) fn privileged(privilege: Privilege, program: &str) -> Command {
    match privilege {
        Privilege::Sudo => {
            let mut command = Command::new("sudo");
            command.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", program]);
            command
        }
        Privilege::Root | Privilege::None => {
            let mut command = Command::new(program);
            command.env("DEBIAN_FRONTEND", "noninteractive");
            command
        }
    }
}

/// Runs a command; what it prints is shown only when it fails.
fn run(words: &str, mut command: Command, limit: Duration) -> Result<()> {
    eprintln!("setup: {words} (at most {} s)", limit.as_secs());
    // Drawn on a terminal only.
    let spinner = ProgressBar::new_spinner().with_message("working").with_style(spinner_style());
    spinner.enable_steady_tick(Duration::from_millis(100));
    let output = try_output_of(&mut command, limit);
    spinner.finish_and_clear();
    let output = output?;
    if !output.status.success() {
        bail!("{words} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn spinner_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Fetches the package lists.
pub(super) fn update(privilege: Privilege) -> Result<()> {
    let mut command = privileged(privilege, "apt-get");
    command.arg("-qq").args(OPTIONS).arg("update");
    run("apt-get update", command, UPDATE_LIMIT)
}

/// Installs packages.
pub(super) fn install(privilege: Privilege, packages: &[&str], suite: Option<&str>) -> Result<()> {
    let mut command = privileged(privilege, "apt-get");
    command.args(["-qq", "-y", "--no-install-recommends"]).args(OPTIONS).arg("install");
    if let Some(suite) = suite {
        command.args(["-t", suite]);
    }
    command.args(packages);
    let from = suite.map_or(String::new(), |suite| format!(" -t {suite}"));
    run(&format!("apt-get install{from} {}", packages.join(" ")), command, INSTALL_LIMIT)
}

/// The version of a package that a plain installation brings.
pub(super) fn candidate(package: &str) -> Option<Version> {
    let text = output_of(Command::new("apt-cache").args(["policy", package]).env("LC_ALL", "C"), PROBE_LIMIT).ok()?;
    candidate_in(&text)
}

/// Reads what `apt-cache policy` prints for one package.
fn candidate_in(text: &str) -> Option<Version> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?;
    Version::find(line)
}

/// All files with package sources.
pub(super) fn source_files() -> Vec<SourceFile> {
    let mut paths = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = Path::new(SOURCES_FOLDER).read_dir() {
        paths.extend(entries.flatten().map(|entry| entry.path()));
    }
    paths.sort();
    let read = |path: PathBuf| {
        let style = match path.extension()?.to_str()? {
            "list" => Style::OneLine,
            "sources" => Style::Stanza,
            _ => return None,
        };
        Some(SourceFile { style, text: fs::read_to_string(path).ok()? })
    };
    paths.into_iter().filter_map(read).collect()
}

/// Where the source of the backports goes.
pub(super) fn backports_path(style: Style) -> PathBuf {
    Path::new(SOURCES_FOLDER).join(format!("gatehouse-backports.{}", style.extension()))
}

/// Adds the source of the backports and fetches its list; a mirror that has none leaves everything as it was.
pub(super) fn add_backports(privilege: Privilege, file: &SourceFile, suite: &str) -> Result<()> {
    let path = backports_path(file.style);
    eprintln!("setup: adding {} (the machine's own mirror, with the backports' suite)", path.display());
    write_file(privilege, &path, &file.text)?;
    // An update that could not reach the mirror is a success to apt: it is looked whether the suite is there.
    let updated = update(privilege);
    let lists = output_of(Command::new("apt-cache").arg("policy").env("LC_ALL", "C"), PROBE_LIMIT).unwrap_or_default();
    if offers(&lists, suite) {
        return Ok(());
    }
    try_output_of(privileged(privilege, "rm").arg("-f").arg(&path), PROBE_LIMIT)?;
    updated.and(Err(anyhow!("the mirror offers no {suite}")))
}

/// Whether what `apt-cache policy` prints names a suite.
fn offers(lists: &str, suite: &str) -> bool {
    lists.split_whitespace().any(|word| word.strip_prefix(suite).is_some_and(|rest| rest.starts_with('/')))
}

fn write_file(privilege: Privilege, path: &Path, text: &str) -> Result<()> {
    let mut command = privileged(privilege, "tee");
    command.arg(path).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut guarded = Guarded::spawn(&mut command, Signal::SIGTERM)?;
    if let Some(mut stdin) = guarded.child().stdin.take() {
        stdin.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    match guarded.wait(Some(PROBE_LIMIT))? {
        Some(status) if status.success() => Ok(()),
        _ => bail!("cannot write {}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_found_in_the_lists() {
        let lists = " 100 mirror:/debian bookworm-backports/main amd64 Packages\n     release a=stable-backports\n";
        assert!(offers(lists, "bookworm-backports"));
        assert!(!offers(" 500 mirror:/debian bookworm/main amd64 Packages\n", "bookworm-backports"));
    }

    #[test]
    fn candidates_are_read() {
        let text = "qemu-system-x86:\n  Installed: (none)\n  Candidate: 1:7.2+dfsg-7+deb12u18\n  Version table:\n";
        assert_eq!(candidate_in(text), Some(Version::new(7, 2)));
        assert_eq!(candidate_in("x:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate_in(""), None);
    }
}
