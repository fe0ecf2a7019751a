//! What the tool needs of the machine.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::version::Version;
use crate::process::output_of;
use crate::result::Boot;
use crate::toolchain::{COMPILER_VERSION, Toolchain, on_path};
use crate::{firmware, qemu};

/// Asking a program for its version takes this long at most.
pub(super) const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// A thing that must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// A compiler for the kernel's target.
    Compiler,
    /// A linker for ELF files.
    Linker,
    /// QEMU.
    Emulator,
    /// `xorriso`, which makes ISO images.
    ImageMaker,
    /// A UEFI firmware for QEMU.
    Firmware,
    /// `gdb`.
    Debugger,
}

/// What was found of a [`Component`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there; one line says what it is.
    Good(String),
    /// It is there and works in part; the line says what is lost.
    Poor(String),
    /// It is not there.
    Missing,
}

/// From this version on QEMU's translator has an x2APIC, and its exceptions have the processor's error codes.
pub(super) const EMULATOR_VERSION: Version = Version::new(9, 0);

impl Component {
    /// What to build and boot takes.
    pub const BASE: [Self; 3] = [Self::Compiler, Self::Linker, Self::Emulator];

    /// What a boot by this protocol takes.
    pub fn for_boot(boot: Boot) -> Vec<Self> {
        let mut components = Self::BASE.to_vec();
        match boot {
            Boot::Pvh => {}
            Boot::Bios => components.push(Self::ImageMaker),
            Boot::Uefi => components.extend([Self::ImageMaker, Self::Firmware]),
        }
        components
    }

    /// One word for the person.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compiler => "compiler",
            Self::Linker => "linker",
            Self::Emulator => "emulator",
            Self::ImageMaker => "image maker",
            Self::Firmware => "firmware",
            Self::Debugger => "debugger",
        }
    }

    /// The Debian packages that bring it.
    pub fn debian_packages(self) -> &'static [&'static str] {
        match self {
            Self::Compiler => &["rustc-web", "cargo-web", "rust-web-src"],
            Self::Linker => &["lld"],
            Self::Emulator => &["qemu-system-x86"],
            Self::ImageMaker => &["xorriso"],
            Self::Firmware => &["ovmf"],
            Self::Debugger => &["gdb"],
        }
    }

    /// What to tell a person on a machine without apt.
    pub(super) fn by_hand(self) -> &'static str {
        match self {
            Self::Compiler => "rustup target add x86_64-unknown-none, or the distribution's standard library for it",
            Self::Linker => "LLVM's ld.lld (mostly in a package lld)",
            Self::Emulator => "qemu-system-x86_64 9.0 or newer (qemu-system-x86, qemu-system-x86-core or qemu)",
            Self::ImageMaker => "xorriso (on some systems in libisoburn)",
            Self::Firmware => "OVMF for QEMU (ovmf or edk2-ovmf; QEMU's own package brings it on macOS)",
            Self::Debugger => "gdb",
        }
    }

    /// Looks for it on this machine.
    pub(super) fn find(self) -> Found {
        let there = |path: Option<std::path::PathBuf>| {
            path.map_or(Found::Missing, |path| Found::Good(path.display().to_string()))
        };
        match self {
            Self::Compiler => Toolchain::find().map_or(Found::Missing, |found| Found::Good(found.describe())),
            Self::Linker => linker(),
            Self::Emulator => emulator(),
            Self::ImageMaker => there(on_path("xorriso")),
            Self::Debugger => there(on_path("gdb")),
            Self::Firmware => there(firmware::find().map(|found| found.path().to_path_buf())),
        }
    }

    /// The oldest version of the first Debian package that is worth installing.
    pub fn wanted_version(self) -> Option<Version> {
        match self {
            Self::Compiler => Some(COMPILER_VERSION),
            Self::Emulator => Some(EMULATOR_VERSION),
            _ => None,
        }
    }
}

fn linker() -> Found {
    if let Some(path) = on_path("ld.lld") {
        return Found::Good(path.display().to_string());
    }
    // A compiler with the target's libraries links with its own lld unless a distribution took that out.
    match Toolchain::find() {
        Some(Toolchain::WithTarget { sysroot, .. }) if has_own_linker(&sysroot) => {
            Found::Good("rust-lld of the compiler".into())
        }
        _ => Found::Missing,
    }
}

fn has_own_linker(sysroot: &Path) -> bool {
    let Ok(entries) = sysroot.join("lib/rustlib").read_dir() else { return false };
    entries.flatten().any(|entry| entry.path().join("bin/rust-lld").is_file())
}

fn emulator() -> Found {
    let Some(path) = on_path(qemu::PROGRAM) else { return Found::Missing };
    let Ok(text) = output_of(Command::new(&path).arg("--version"), PROBE_LIMIT) else { return Found::Missing };
    match Version::find(&text) {
        Some(version) if version >= EMULATOR_VERSION => Found::Good(format!("QEMU {version}, {}", path.display())),
        Some(version) => Found::Poor(format!(
            "QEMU {version} is older than {EMULATOR_VERSION}: it emulates no x2APIC (at most 255 CPUs, by xAPIC) and \
             gives some exceptions other error codes than a processor, so that the trap tests mean little"
        )),
        None => Found::Poor(format!("{} does not tell its version", path.display())),
    }
}
