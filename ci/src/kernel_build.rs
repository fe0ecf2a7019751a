//! Builds the kernel and the ring-3 programs.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::process::{Guarded, describe};
use crate::symbols;
use crate::toolchain::{Toolchain, on_path};
use crate::workspace;

/// Names a file that holds [`Artifacts`] as JSON: those are used and nothing is built. `cargo xtask test` sets it
/// for the tests, so that they neither build again nor wait for each other.
pub const ARTIFACTS_VARIABLE: &str = "GATEHOUSE_ARTIFACTS";

/// The name of the kernel's binary target.
const KERNEL_BINARY: &str = "gatehouse-kernel";

/// What a build leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifacts {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The ELF files of the ring-3 programs, sorted by name.
    pub programs: Vec<PathBuf>,
}

/// How the kernel is compiled; the programs are always compiled for release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// In parts, of which an edit has those compiled that it touches: the next boot comes soon.
    Quick,
    /// As a whole, which takes longest for any edit: what is tested, measured and shipped.
    Release,
}

impl Profile {
    /// What the flag `--release` chooses.
    pub fn chosen(release: bool) -> Self {
        if release { Self::Release } else { Self::Quick }
    }
}

/// How much of cargo's talk is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// All of it.
    Progress,
    /// Errors and warnings.
    Quiet,
}

/// The flags for both: a static image in the top (kernel) or bottom (programs) 2 GiB, where addresses fit into
/// sign-extended 32 bits; frame pointers for backtraces.
pub fn compiler_flags(linker: Option<&str>) -> String {
    let mut flags =
        String::from("-Crelocation-model=static -Ccode-model=kernel -Clink-arg=--no-pie -Cforce-frame-pointers=yes");
    if let Some(linker) = linker {
        flags.push_str(" -Clinker=");
        flags.push_str(linker);
    }
    flags
}

/// Builds both with the toolchain that is there.
///
/// # Errors
/// No toolchain, a build that fails (cargo has told why), or a build without the expected binaries.
pub fn build(profile: Profile, talk: Talk) -> Result<Artifacts> {
    match env::var_os(ARTIFACTS_VARIABLE) {
        Some(file) => read_artifacts(Path::new(&file)),
        None => Ok(build_with_warnings(profile, talk)?.artifacts),
    }
}

/// What a build leaves and says.
#[derive(Clone, Debug)]
pub struct Build {
    /// What it leaves.
    pub artifacts: Artifacts,
    /// The compiler's warnings on packages of this workspace: file, line and message.
    pub warnings: Vec<String>,
}

/// As [`build`], always by the compiler, and with its warnings.
///
/// # Errors
/// Those of [`build`].
pub fn build_with_warnings(profile: Profile, talk: Talk) -> Result<Build> {
    let toolchain =
        Toolchain::find().context("no compiler for the kernel's target: run `cargo xtask setup` to install it")?;
    let calls: &[&[&str]] = match profile {
        Profile::Quick => &[&["--profile=quick", "--package=kernel"], &["--release", "--package=programs"]],
        Profile::Release => &[&["--release", "--package=kernel", "--package=programs"]],
    };
    let (mut binaries, mut warnings) = (Vec::new(), Vec::new());
    for arguments in calls {
        call_cargo(&toolchain, arguments, talk, &mut binaries, &mut warnings)?;
    }
    let artifacts = collect(binaries)?;
    symbols::embed(&artifacts.kernel)?;
    Ok(Build { artifacts, warnings })
}

/// Builds the binaries that the arguments select.
fn call_cargo(
    toolchain: &Toolchain,
    arguments: &[&str],
    talk: Talk,
    binaries: &mut Vec<(String, PathBuf)>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    // rustup's compilers bring rust-lld and use it by default; a distribution's needs the system's linker.
    let linker = on_path("ld.lld").map(|_| "ld.lld");
    let mut command = toolchain.cargo_build(&compiler_flags(linker));
    command
        .current_dir(workspace::root())
        .arg("--bins")
        .args(arguments)
        .arg(if io::stderr().is_terminal() {
            "--message-format=json-diagnostic-rendered-ansi"
        } else {
            "--message-format=json"
        })
        .arg("--target-dir")
        .arg(workspace::kernel_target())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if talk == Talk::Quiet {
        command.arg("--quiet");
    }
    let mut cargo = Guarded::spawn(&mut command, Signal::SIGTERM)?;
    let stdout = cargo.child().stdout.take().context("cargo has no output")?;
    for line in BufReader::new(stdout).lines() {
        match Told::by(&line?) {
            Some(Told::Binary(name, path)) => binaries.push((name, path)),
            Some(Told::Diagnostic { text, warning }) => {
                eprint!("{text}");
                warnings.extend(warning);
            }
            None => {}
        }
    }
    let status = cargo.wait(None)?.context("cargo did not end")?;
    if !status.success() {
        bail!("the build failed ({status}): {}", describe(&command));
    }
    Ok(())
}

/// As [`build`] for release, but once per process.
///
/// # Errors
/// Those of [`build`]; the next call tries again.
pub fn build_once() -> Result<Artifacts> {
    static BUILT: Mutex<Option<Artifacts>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    match &*built {
        Some(artifacts) => Ok(artifacts.clone()),
        None => Ok(built.insert(build(Profile::Release, Talk::Quiet)?).clone()),
    }
}

/// Writes artifacts for [`ARTIFACTS_VARIABLE`].
///
/// # Errors
/// The file cannot be written.
pub fn write_artifacts(artifacts: &Artifacts, file: &Path) -> Result<()> {
    fs::write(file, serde_json::to_vec(artifacts)?).with_context(|| format!("cannot write {}", file.display()))
}

fn read_artifacts(file: &Path) -> Result<Artifacts> {
    let text = fs::read(file).with_context(|| format!("{ARTIFACTS_VARIABLE}: cannot read {}", file.display()))?;
    let artifacts: Artifacts = serde_json::from_slice(&text)
        .with_context(|| format!("{ARTIFACTS_VARIABLE}: {} names no artifacts", file.display()))?;
    for path in artifacts.programs.iter().chain([&artifacts.kernel]) {
        if !path.is_file() {
            bail!("{ARTIFACTS_VARIABLE}: {} is not there any more", path.display());
        }
    }
    Ok(artifacts)
}

/// What a line of cargo's messages tells.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// A binary's name and path.
    Binary(String, PathBuf),
    /// An error or a warning.
    Diagnostic {
        /// As the compiler prints it.
        text: String,
        /// In one line, when it is a warning.
        warning: Option<String>,
    },
}

impl Told {
    fn by(line: &str) -> Option<Self> {
        let message: Message = serde_json::from_str(line).ok()?;
        match message.reason.as_str() {
            "compiler-artifact" => Some(Self::Binary(message.target?.name, message.executable?)),
            "compiler-message" => {
                let diagnostic = message.message?;
                let warning = (diagnostic.level == "warning").then(|| diagnostic.in_one_line());
                Some(Self::Diagnostic { text: diagnostic.rendered?, warning })
            }
            _ => None,
        }
    }
}

/// The parts in use of a message of cargo's (The Cargo Book, "JSON messages").
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// The parts in use of a diagnostic (The rustc book, "JSON Output").
#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    message: String,
    rendered: Option<String>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    is_primary: bool,
}

impl Diagnostic {
    fn in_one_line(&self) -> String {
        let message = &self.message;
        match self.spans.iter().find(|span| span.is_primary) {
            Some(span) => format!("{}:{}: {message}", span.file_name, span.line_start),
            None => message.clone(),
        }
    }
}

fn collect(binaries: Vec<(String, PathBuf)>) -> Result<Artifacts> {
    let (kernels, mut programs): (Vec<_>, Vec<_>) = binaries.into_iter().partition(|(name, _)| name == KERNEL_BINARY);
    let Some((_, kernel)) = kernels.into_iter().next() else {
        bail!("the build made no binary {KERNEL_BINARY}");
    };
    programs.sort();
    Ok(Artifacts { kernel, programs: programs.into_iter().map(|(_, path)| path).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_are_told_from_libraries() {
        let binary = r#"{"reason":"compiler-artifact","target":{"name":"demo","kind":["bin"]},"executable":"/t/demo"}"#;
        assert_eq!(Told::by(binary), Some(Told::Binary("demo".into(), "/t/demo".into())));
        let library = r#"{"reason":"compiler-artifact","target":{"name":"gatehouse"},"executable":null}"#;
        assert_eq!(Told::by(library), None);
        assert_eq!(Told::by(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(Told::by("not JSON"), None);
    }

    #[test]
    fn warnings_are_told_from_errors() {
        let line = |level| {
            format!(
                r#"{{"reason":"compiler-message","message":{{"level":"{level}","message":"unused","rendered":"words",
                "spans":[{{"file_name":"a.rs","line_start":7,"is_primary":true}}]}}}}"#
            )
        };
        let text = || "words".to_string();
        let warning = Some("a.rs:7: unused".to_string());
        assert_eq!(Told::by(&line("warning")), Some(Told::Diagnostic { text: text(), warning }));
        assert_eq!(Told::by(&line("error")), Some(Told::Diagnostic { text: text(), warning: None }));
    }

    #[test]
    fn a_build_without_the_kernel_is_an_error() {
        let error = collect(vec![("demo".into(), "/t/demo".into())]).unwrap_err();
        assert!(error.to_string().contains("gatehouse-kernel"), "{error}");
    }

    #[test]
    fn programs_are_sorted() {
        let binary = |name: &str| (name.to_string(), PathBuf::from("/t").join(name));
        let artifacts = collect(vec![binary("fault"), binary("gatehouse-kernel"), binary("demo")]).unwrap();
        assert_eq!(artifacts.kernel, PathBuf::from("/t/gatehouse-kernel"));
        assert_eq!(artifacts.programs, [PathBuf::from("/t/demo"), PathBuf::from("/t/fault")]);
    }
}
