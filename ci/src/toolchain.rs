//! Which compiler builds for `x86_64-unknown-none`.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::output_of;
use crate::setup::Version;
use crate::workspace;

/// The target of the kernel and the ring-3 programs.
pub const TARGET: &str = "x86_64-unknown-none";

/// From this version on the compiler takes naked functions, edition 2024 and the kernel's dependencies.
pub const COMPILER_VERSION: Version = Version::new(1, 88);

/// Asking a compiler for its folder takes this long at most.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// A way to compile for [`TARGET`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The compiler in use has the target's libraries.
    WithTarget {
        /// The cargo to call.
        cargo: OsString,
        /// Where the compiler keeps its libraries.
        sysroot: PathBuf,
    },
    /// The distribution's compiler, which has none for the target but the library sources: they are built along.
    WithSources {
        /// The cargo to call.
        cargo: PathBuf,
        /// The compiler.
        rustc: PathBuf,
        /// Where its shared libraries are, when the system does not look there by itself.
        libraries: Option<PathBuf>,
    },
}

impl Toolchain {
    /// The toolchain that is installed, if one is; nothing is installed.
    pub fn find() -> Option<Self> {
        let (cargo, rustc) = current();
        let sysroot = sysroot_of(Path::new(&rustc), None);
        if let Some(sysroot) = sysroot
            && has_target(&sysroot)
        {
            return Some(Self::WithTarget { cargo, sysroot });
        }
        Self::of_distribution(Path::new("/usr"), None).or_else(|| {
            let folder = unpacked().join("usr");
            Self::of_distribution(&folder, Some(folder.join("lib/x86_64-linux-gnu")))
        })
    }

    /// The distribution's compiler as it lies in `folder`, if it is there and fit.
    fn of_distribution(folder: &Path, libraries: Option<PathBuf>) -> Option<Self> {
        let (cargo, rustc) = (folder.join("bin/cargo"), folder.join("bin/rustc"));
        let sysroot = sysroot_of(&rustc, libraries.as_deref())?;
        let fits =
            cargo.is_file() && has_sources(&sysroot) && version_of(&rustc, libraries.as_deref())? >= COMPILER_VERSION;
        fits.then_some(Self::WithSources { cargo, rustc, libraries })
    }

    /// One line that says which it is.
    pub fn describe(&self) -> String {
        match self {
            Self::WithTarget { sysroot, .. } => format!("target {TARGET} of the compiler in {}", sysroot.display()),
            Self::WithSources { rustc, .. } => {
                format!("{} with its library sources (core and alloc are built along)", rustc.display())
            }
        }
    }

    /// The compiler's own name and version, in a line.
    pub fn version(&self) -> Option<String> {
        let (rustc, libraries) = match self {
            Self::WithTarget { .. } => (PathBuf::from(current().1), None),
            Self::WithSources { rustc, libraries, .. } => (rustc.clone(), libraries.as_deref()),
        };
        Some(answer_of(&rustc, &["--version"], libraries)?.trim().to_string())
    }

    /// A cargo call that builds for the target; the package and the profile are the caller's.
    pub fn cargo_build(&self, flags: &str) -> Command {
        let mut command = match self {
            Self::WithTarget { cargo, .. } => Command::new(cargo),
            Self::WithSources { cargo, .. } => Command::new(cargo),
        };
        // Set by the cargo that runs this tool, or by the person for host builds: none fits another compiler.
        for name in [
            "CARGO",
            "RUSTC",
            "RUSTDOC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_BUILD_RUSTC",
            "CARGO_TARGET_X86_64_UNKNOWN_NONE_LINKER",
        ] {
            command.env_remove(name);
        }
        command.env("CARGO_TARGET_X86_64_UNKNOWN_NONE_RUSTFLAGS", flags);
        command.args(["build", "--target", TARGET]);
        if let Self::WithSources { rustc, libraries, .. } = self {
            if let Some(libraries) = libraries {
                command.env("LD_LIBRARY_PATH", libraries);
            }
            // The toolchain's version is stable; the variable lets it take the two -Z options.
            command
                .env_remove("RUSTUP_TOOLCHAIN")
                .env("RUSTC", rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                .args(["-Zbuild-std=core,alloc,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"]);
        }
        command
    }
}

/// The cargo that runs this tool, and the compiler beside it.
fn current() -> (OsString, OsString) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let beside = Path::new(&cargo).with_file_name("rustc");
    let rustc = if beside.is_absolute() && beside.is_file() { beside.into() } else { "rustc".into() };
    (cargo, rustc)
}

/// The folder into which set-up unpacks the distribution's compiler where it cannot be installed.
pub fn unpacked() -> PathBuf {
    workspace::target().join("toolchain")
}

fn sysroot_of(rustc: &Path, libraries: Option<&Path>) -> Option<PathBuf> {
    if rustc.is_absolute() && !rustc.is_file() {
        return None;
    }
    Some(PathBuf::from(answer_of(rustc, &["--print", "sysroot"], libraries)?.trim()))
}

fn version_of(rustc: &Path, libraries: Option<&Path>) -> Option<Version> {
    Version::find(&answer_of(rustc, &["--version"], libraries)?)
}

fn answer_of(rustc: &Path, question: &[&str], libraries: Option<&Path>) -> Option<String> {
    let mut command = Command::new(rustc);
    command.args(question).envs(libraries.map(|libraries| ("LD_LIBRARY_PATH", libraries)));
    output_of(&mut command, PROBE_LIMIT).ok()
}

fn has_target(sysroot: &Path) -> bool {
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let Ok(entries) = libraries.read_dir() else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").is_file()
}

/// Where a program is found on `PATH`.
pub fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysroot_with_the_target_is_told_from_one_without() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_target(folder.path()));
        let libraries = folder.path().join("lib/rustlib/x86_64-unknown-none/lib");
        std::fs::create_dir_all(&libraries).unwrap();
        assert!(!has_target(folder.path()));
        std::fs::write(libraries.join("libcore-0123.rlib"), "").unwrap();
        assert!(has_target(folder.path()));
    }

    #[test]
    fn library_sources_are_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_sources(folder.path()));
        let sources = folder.path().join("lib/rustlib/src/rust/library/core/src");
        std::fs::create_dir_all(&sources).unwrap();
        std::fs::write(sources.join("lib.rs"), "").unwrap();
        assert!(has_sources(folder.path()));
    }

    #[test]
    fn the_distribution_toolchain_builds_the_library_and_is_not_rustups() {
        let (cargo, rustc) = ("/usr/bin/cargo".into(), "/usr/bin/rustc".into());
        let toolchain = Toolchain::WithSources { cargo, rustc, libraries: Some("/there/lib".into()) };
        let command = toolchain.cargo_build("-Cflag");
        let arguments: Vec<_> = command.get_args().collect();
        assert!(arguments.contains(&"-Zbuild-std=core,alloc,compiler_builtins".as_ref()), "{arguments:?}");
        let variables: Vec<_> = command.get_envs().collect();
        assert!(variables.contains(&("RUSTUP_TOOLCHAIN".as_ref(), None)), "{variables:?}");
        assert!(variables.contains(&("RUSTC_BOOTSTRAP".as_ref(), Some("1".as_ref()))), "{variables:?}");
        assert!(variables.contains(&("LD_LIBRARY_PATH".as_ref(), Some("/there/lib".as_ref()))), "{variables:?}");
    }
}
