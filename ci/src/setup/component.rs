//! What the tool needs of the machine.

use super::version::Version;
use crate::result::Boot;
use crate::toolchain::COMPILER_VERSION;

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

    /// What a boot by this door takes.
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

    /// The oldest version of the first Debian package that is worth installing.
    pub fn wanted_version(self) -> Option<Version> {
        match self {
            Self::Compiler => Some(COMPILER_VERSION),
            Self::Emulator => Some(EMULATOR_VERSION),
            _ => None,
        }
    }
}
